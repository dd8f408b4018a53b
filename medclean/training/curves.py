"""``curves.png``: how each loss of each turn, PSNR and SSIM went over the run."""

import io
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from medclean.training.pictures import called
from medclean.training.record import Row

COLUMNS = 3
WIDE, HIGH = 5.0, 3.4  # inches of a panel
DECADE = 10.0  # a loss that spans as much has an axis of powers
SCORES = {"psnr": "PSNR in dB", "ssim": "SSIM"}


def draw(rows: Sequence[Row], title: str) -> bytes:
    """The rows of ``log.csv`` as PNG.

    Columns ``psnr 0.1`` and ``ssim 0.1`` are drawn as one line a level, a column ``turn/loss``
    beside ``validation turn/loss``.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    scores = [score for score in SCORES if any(name.startswith(f"{score} ") for name in names)]
    losses = [name for name in names if "/" in name and " " not in name]
    lines = -(-len([*scores, *losses]) // COLUMNS)
    figure = Figure(figsize=(COLUMNS * WIDE, lines * HIGH + 0.4))
    FigureCanvasAgg(figure)  # no display is asked for
    figure.subplots_adjust(0.05, 0.16 / lines, 0.99, 1 - 0.22 / lines, 0.2, 0.36)
    figure.suptitle(title)
    for place, panel in enumerate([*scores, *losses]):
        axes = figure.add_subplot(lines, COLUMNS, place + 1)
        if panel in scores:
            axes.set_title(f"{SCORES[panel]} of held-out slices, averaged weights")
            for name in (name for name in names if name.startswith(f"{panel} ")):
                _plot(axes, rows, name, called(name.partition(" ")[2]), marker=".")
        else:
            axes.set_title(panel)
            both = (panel, f"validation {panel}")
            _plot(axes, rows, both[0], "training")
            _plot(axes, rows, both[1], "validation", marker=".")
            spread(axes, [row[name] for row in rows for name in both if name in row])
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        axes.legend()
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=100)
    return image.getvalue()


def spread(axes: Axes, values: Sequence[float]) -> None:
    """Give losses of more than a decade an axis of powers, with numbers as they are read."""
    if 0 < DECADE * min(values) < max(values):
        few = max(values) < DECADE**3 * min(values)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def _plot(axes: Axes, rows: Sequence[Row], name: str, label: str, marker: str = "") -> None:
    there = [row for row in rows if name in row]
    if there:
        axes.plot(
            [row["step"] for row in there],
            [row[name] for row in there],
            marker=marker,
            label=label,
            linewidth=1.2,
        )
