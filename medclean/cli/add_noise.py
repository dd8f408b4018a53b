"""``medclean add-noise``."""

import json as json_
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from medclean.cli._command import emit
from medclean.errors import Exit
from medclean.jobs.add_noise import AddNoiseJob
from medclean.log import Log, printable


def add_noise(
    job: AddNoiseJob,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> Exit:
    """Add simulated noise to image series."""
    from medclean.pipelines.add_noise import add_noise as run

    summary = run(job, Log())
    if json:
        emit(json_.dumps(asdict(summary)))
    else:
        for series in summary.noise:
            emit(printable(_line(series)))
        emit(printable(summary.line))
    return summary.exit


def _line(series: Mapping[str, Any]) -> str:
    """How strong the noise of a series is: ``MR 3f2a: sigma 50 au asked, 49.8 measured``."""
    name = f"{series['modality'] or 'series'} {series['label'] or ''}".strip()
    asked = "" if series["asked"] is None else f"{series['asked']:.4g} {series['unit']} asked, "
    levels = f"noise level {series['before']:.4g} before, {_value(series['after'])} after"
    return f"{name}: sigma {asked}{_value(series['measured'])} measured; {levels}"


def _value(number: float | None) -> str:
    return "0" if number is None else f"{number:.4g}"
