"""``medclean train``."""

import os

from medclean.cli._command import emit
from medclean.errors import Exit
from medclean.jobs.train import TrainJob
from medclean.log import Log, printable


def train(job: TrainJob) -> Exit:
    """Train a network on clean images."""
    # Threads that spin while they wait take the processors from each other on a shared machine: a
    # step took three times as long. Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from medclean.pipelines.train import train as run

    emit(printable(str(run(job, Log()))))
    return Exit.DONE
