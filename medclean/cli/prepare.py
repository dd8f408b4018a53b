"""``medclean prepare``."""

import json as json_
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from medclean.cli._command import emit
from medclean.cli._drawing import offscreen
from medclean.errors import Exit
from medclean.jobs.prepare import PrepareJob
from medclean.log import Log, printable

if TYPE_CHECKING:
    from medclean.pipelines.prepare import Summary

_SPLITS = ("train", "validation", "test")


def prepare(
    job: PrepareJob,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> Exit:
    """Make a data set to train on out of an archive."""
    from medclean.pipelines.prepare import prepare as run

    summary = run(job, Log())
    emit(json_.dumps(asdict(summary)) if json else printable_table(summary))
    return summary.exit


def printable_table(summary: "Summary") -> str:
    """What was found, used and left out, and the last line."""
    from rich.table import Table

    console = offscreen()
    found = Table(
        *("modality", "series", "used", "failed", "cases", "slices", "patients", *_SPLITS),
        box=None,
        pad_edge=False,
    )
    for row in summary.rows:
        people = [row.patients.get(split, 0) for split in _SPLITS]
        cells = (row.found, row.used, row.failed, row.cases, row.slices, sum(people), *people)
        found.add_row(row.modality or "-", *map(str, cells))
    left_out = Table("files", "left out because", box=None, pad_edge=False)
    for count, reason in summary.left_out:
        left_out.add_row(str(count), printable(reason))
    with console.capture() as text:
        for table in (found, left_out):
            if table.row_count:
                console.print(table, markup=False)
                console.print()
    lines = [line.rstrip() for line in text.get().splitlines()]
    return "\n".join([*lines, printable(summary.line)])
