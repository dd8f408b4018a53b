"""How commands end that make derived series: their result on stdout, their exit status."""

import json as json_
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from medclean.cli._command import emit
from medclean.errors import Exit
from medclean.jobs._series import SeriesJob
from medclean.log import Log, printable

if TYPE_CHECKING:
    from medclean.archive.runs import Tally


def finish(summary: "Tally", *told: str, json: bool) -> Exit:
    """Print how a run ended.

    Args:
        summary: Its tally, and what else there is to say for machines.
        told: That for people; before the last line.
        json: For machines.

    Returns:
        Its exit status.
    """
    for text in [json_.dumps(asdict(summary))] if json else [*told, printable(summary.line)]:
        emit(text)
    return summary.exit


def each(
    series: Sequence[Mapping[str, Any]], about: Callable[[Mapping[str, Any]], str]
) -> list[str]:
    """A line a series: its name in reports, and what there is to say of it."""
    names = (f"{one['modality'] or 'series'} {one['label'] or ''}".strip() for one in series)
    return [printable(f"{name}: {about(one)}") for name, one in zip(names, series, strict=True)]


def look_ahead(job: SeriesJob, *, json: bool) -> Exit:
    """Print what a run would do; returns the exit status that it would have."""
    from medclean.cli._outlook import as_json, as_text
    from medclean.pipelines.dry_run import dry_run

    outlook = dry_run(job, Log())
    emit(as_json(outlook) if json else as_text(outlook))
    return outlook.exit
