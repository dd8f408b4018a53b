"""``medclean report``."""

from medclean.cli._command import emit
from medclean.errors import Exit
from medclean.jobs.report import ReportJob
from medclean.log import Log, printable


def report(job: ReportJob) -> Exit:
    """Make a page of what runs did, or of scores: images, figures, what failed and why."""
    from medclean.pipelines.report import report as run

    written = run(job, Log())
    emit(printable(written.line))
    return written.exit
