"""``medclean undersample``."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from medclean.cli._summary import each, finish, look_ahead
from medclean.errors import Exit
from medclean.jobs.undersample import UndersampleJob
from medclean.log import Log


def undersample(
    job: UndersampleJob,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> Exit:
    """Undersample the k-space of image series."""
    if job.dry_run:
        return look_ahead(job, json=json)
    from medclean.pipelines.undersample import undersample as run

    summary = run(job, Log())
    return finish(summary, *each(summary.kspace, _ratios), json=json)


def _ratios(kspace: Mapping[str, Any]) -> str:
    return f"{kspace['asked']:.4g} of k-space asked, {kspace['measured']:.4g} sampled"
