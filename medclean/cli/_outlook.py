"""How a dry run is shown: tables for people, JSON for machines."""

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from medclean.cli._drawing import offscreen
from medclean.log import size

if TYPE_CHECKING:
    from medclean.pipelines.dry_run import Outlook, Row

_VERBS = {"denoise": "to denoise", "add-noise": "to add noise to", "undersample": "to undersample"}
_ENDS = {"done": "is done", "skip": "skip", "fail": "will fail"}
_STEPS = ((120, 1, "s"), (7200, 60, "min"), (float("inf"), 3600, "h"))


def as_json(outlook: "Outlook") -> str:
    """Everything, one entry a series and one a file."""
    return json.dumps(
        {
            "command": outlook.command,
            "out": outlook.out,
            "series": [vars(row) for row in outlook.series],
            "inputs": [line._asdict() for line in outlook.inputs],
            "copies": outlook.copies,
            "estimate": _estimate(outlook),
            "exit": outlook.exit,
            "gates": outlook.gates,
        },
        indent=1,
    )


def as_text(outlook: "Outlook") -> str:
    """A table of the series, one of what is left out, and what a run would take."""
    from rich.table import Table

    console = offscreen()
    series = Table(
        "series", "modality", "slices", "shape", "what", "weights", box=None, pad_edge=False
    )
    for number, row in enumerate(outlook.series, 1):
        series.add_row(row.label or str(number), *_cells(row))
    reasons = Counter((line.status, line.reason) for line in outlook.inputs if not line.series)
    left_out = Table("files", "left out because", box=None, pad_edge=False)
    for (status, reason), count in reasons.most_common():
        left_out.add_row(str(count), f"{'failed: it ' if status == 'failed' else ''}{reason}")
    with console.capture() as text:
        for table in (series, left_out):
            if table.row_count:
                console.print(table, markup=False)
                console.print()
    lines = [line.rstrip() for line in text.get().splitlines()]
    return "\n".join([*lines, *_summary(outlook)])


def _cells(row: "Row") -> tuple[str, ...]:
    shape = ", ".join(f"{rows} x {columns}" for rows, columns in row.shapes if rows)
    will = _ENDS.get(row.will, row.will)
    what = f"{will}: {row.reason}" if row.reason else will
    return row.modality or "-", str(row.slices), shape or "-", what, (row.weights or "-")[:12]


def _summary(outlook: "Outlook") -> list[str]:
    count = Counter(row.will for row in outlook.series)
    slices = sum(row.slices for row in outlook.series if row.will == outlook.command)
    done, skipped, failing = count["done"], count["skip"], count["fail"]
    lines = [
        f"{count[outlook.command]} series {_VERBS[outlook.command]}, {slices} slices, into "
        f"{outlook.out}; {done} done before, {skipped} skipped, {failing} failing"
    ]
    if outlook.copies:
        lines.append(f"{outlook.copies} file{'s'[: outlook.copies != 1]} to copy")
    if effort := outlook.effort:
        least, most = map(_time, effort.between)
        lines.append(f"time    about {_time(effort.seconds)} ({least} to {most}) on {effort.rung}")
        of_gpu = f", {size(effort.device_memory)} of the GPU" if effort.device_memory else ""
        lines.append(f"memory  about {size(effort.memory)}{of_gpu}")
    elif count["denoise"]:  # of other commands, none is tried
        lines.append("time    unknown: no batch could be tried")
    disk = outlook.disk
    lines.append(f"disk    {disk} of {size(disk.free)} that are free")
    crossed = ", with 7 if a limit of --fail-on is crossed" if outlook.gates else ""
    end = f"nothing is written; the run would exit with status {int(outlook.exit)}{crossed}"
    return [*lines, end]


def _estimate(outlook: "Outlook") -> dict[str, Any]:
    effort = outlook.effort
    least, most = effort.between if effort else (0, 0)
    return {
        "seconds": effort and {"likely": effort.seconds, "least": least, "most": most},
        "memory": effort and effort.memory,
        "device_memory": effort and effort.device_memory,
        "on": effort and effort.rung,
        "disk": outlook.disk._asdict(),
    }


def _time(seconds: float) -> str:
    """For people: ``40 s``, ``115 s``, ``1.5 h``."""
    unit, name = next((unit, name) for most, unit, name in _STEPS if seconds < most)
    count = seconds / unit
    return f"{count:.0f} {name}" if count >= 10 else f"{count:.2g} {name}"
