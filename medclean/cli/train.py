"""``medclean train``."""

from medclean.cli._command import emit
from medclean.errors import Exit
from medclean.jobs.train import TrainJob
from medclean.log import Log, printable


def train(job: TrainJob) -> Exit:
    """Train a network on clean images."""
    from medclean.pipelines.train import train as run

    emit(printable(str(run(job, Log()))))
    return Exit.DONE
