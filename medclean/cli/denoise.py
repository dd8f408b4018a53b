"""``medclean denoise``."""

from typing import Annotated

import typer

from medclean.cli._safety import table
from medclean.cli._summary import finish, look_ahead
from medclean.errors import Exit
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log


def denoise(
    job: DenoiseJob,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> Exit:
    """Denoise image series into a folder of their own."""
    if job.dry_run:
        return look_ahead(job, json=json)
    from medclean.pipelines.denoise import denoise as run

    summary = run(job, Log())
    told = [table(summary.safety)] if summary.safety and not json else []
    return finish(summary, *told, json=json)
