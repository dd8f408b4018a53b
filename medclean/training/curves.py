"""``curves.png``: how each loss of each turn, PSNR and SSIM went over the run."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from medclean.training.record import Row

COLUMNS = 3
UNITS = {"psnr": "PSNR (dB)", "ssim": "SSIM"}


def draw(rows: "Sequence[Row]", title: str) -> bytes:
    """The rows of ``log.csv`` as PNG.

    A column ``turn/loss`` is drawn as training, ``validation turn/loss`` beside it, ``psnr 0.1``
    as one line a sigma.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    turns = [column for column in columns if "/" in column and " " not in column]
    scores = [name for name in UNITS if any(column.startswith(f"{name} ") for column in columns)]
    panels = [*scores, *turns]
    lines = -(-len(panels) // COLUMNS) or 1
    figure = Figure(figsize=(5 * COLUMNS, 3.6 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for place, panel in enumerate(panels):
        axes = figure.add_subplot(lines, COLUMNS, place + 1)
        if panel in scores:
            _scores(axes, rows, panel, columns)
        else:
            _loss(axes, rows, panel)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110, metadata={"Software": "medclean"})
    return image.getvalue()


def _scores(axes: Any, rows: "Sequence[Row]", name: str, columns: Sequence[str]) -> None:
    for column in (column for column in columns if column.startswith(f"{name} ")):
        axes.plot(*_points(rows, column), marker=".", label=f"sigma {column.split()[1]}")
    axes.set_title(f"{UNITS[name]}, held-out slices, averaged weights")
    axes.legend()


def _loss(axes: Any, rows: "Sequence[Row]", name: str) -> None:
    axes.plot(*_points(rows, name), label="training", linewidth=1)
    held = _points(rows, f"validation {name}")
    if held[0]:
        axes.plot(*held, marker=".", label="validation")
    shown = [*_points(rows, name)[1], *held[1]]
    if shown and min(shown) > 0:
        axes.set_yscale("log")
    axes.set_title(name)
    axes.legend()


def _points(rows: "Sequence[Mapping[str, float]]", column: str) -> tuple[list[float], list[float]]:
    there = [row for row in rows if column in row]
    return [row["step"] for row in there], [row[column] for row in there]
