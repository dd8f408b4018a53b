"""``medclean undersample``."""

import json as json_
from dataclasses import asdict
from typing import Annotated

import typer

from medclean.cli._command import emit
from medclean.errors import Exit
from medclean.jobs.undersample import UndersampleJob
from medclean.log import Log, printable


def undersample(
    job: UndersampleJob,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> Exit:
    """Undersample the k-space of image series."""
    from medclean.pipelines.undersample import undersample as run

    summary = run(job, Log())
    if json:
        emit(json_.dumps(asdict(summary)))
    else:
        for series in summary.kspace:
            name = f"{series['modality'] or 'series'} {series['label'] or ''}".strip()
            ratios = f"{series['asked']:.4g} of k-space asked, {series['measured']:.4g} sampled"
            emit(printable(f"{name}: {ratios}"))
        emit(printable(summary.line))
    return summary.exit
