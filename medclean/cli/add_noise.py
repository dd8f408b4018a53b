"""``medclean add-noise``."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from medclean.cli._summary import each, finish, look_ahead
from medclean.errors import Exit
from medclean.jobs.add_noise import AddNoiseJob
from medclean.log import Log


def add_noise(
    job: AddNoiseJob,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> Exit:
    """Add simulated noise to image series."""
    if job.dry_run:
        return look_ahead(job, json=json)
    from medclean.pipelines.add_noise import add_noise as run

    summary = run(job, Log())
    return finish(summary, *each(summary.noise, _levels), json=json)


def _levels(noise: Mapping[str, Any]) -> str:
    """How strong it is: ``sigma 50 au asked, 49.8 measured``, and what the images show."""
    asked = "" if noise["asked"] is None else f"{noise['asked']:.4g} {noise['unit']} asked, "
    levels = f"noise level {noise['before']:.4g} before, {_value(noise['after'])} after"
    return f"sigma {asked}{_value(noise['measured'])} measured; {levels}"


def _value(number: float | None) -> str:
    return "0" if number is None else f"{number:.4g}"
