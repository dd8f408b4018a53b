"""``medclean denoise``."""

import json as json_
from dataclasses import asdict
from typing import Annotated

import typer

from medclean.cli._command import emit
from medclean.cli._safety import table
from medclean.errors import Exit
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log, printable


def denoise(
    job: DenoiseJob,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> Exit:
    """Denoise image series into a folder of their own."""
    if job.dry_run:
        return _dry_run(job, json=json)
    from medclean.pipelines.denoise import denoise as run

    summary = run(job, Log())
    if json:
        emit(json_.dumps(asdict(summary)))
    else:
        if summary.safety:
            emit(table(summary.safety))
        emit(printable(summary.line))
    return summary.exit


def _dry_run(job: DenoiseJob, *, json: bool) -> Exit:
    from medclean.cli._outlook import as_json, as_text
    from medclean.pipelines.dry_run import dry_run

    outlook = dry_run(job, Log())
    emit(as_json(outlook) if json else as_text(outlook))
    return outlook.exit
