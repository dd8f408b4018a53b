"""``medclean prepare``."""

import json as json_
from dataclasses import asdict
from typing import Annotated

import typer

from medclean.cli._command import emit
from medclean.errors import Exit
from medclean.jobs.prepare import PrepareJob
from medclean.log import Log, printable


def prepare(
    job: PrepareJob,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> Exit:
    """Make a data set to train on out of an archive."""
    from medclean.pipelines.prepare import prepare as run

    summary = run(job, Log())
    if json:
        emit(json_.dumps(asdict(summary)))
    else:
        emit(printable(summary.line))
    return summary.exit
