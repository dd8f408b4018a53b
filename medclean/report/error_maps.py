"""Where results are wrong: each beside its difference from the reference, in one fixed window."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from medclean.files import writing
from medclean.report.figures import FADED, NIGHT, PAPER
from medclean.volume import Image

PANEL = 3.0  # inches a side
COLUMNS = 4  # panels in a line
HEADING = 0.45  # inches above a panel
GAP = 0.12  # inches beside one
BAR = 0.75  # inches at the right for the scale of the errors
ERRORS = {"CT": 100.0}  # HU to either side; else a share of scale
SHARE = 0.1
WINDOWS = {"CT": (-160.0, 240.0)}  # HU; else from 0 to scale


class Slice(NamedTuple):
    """A slice and what it is called."""

    name: str
    image: Image


def error_maps(
    reference: Slice,
    results: Sequence[Slice],
    path: Path,
    *,
    unit: str,
    scale: float,
    modality: str,
    spacing: tuple[float, float],
) -> None:
    """Draw the reference and its results, and below each what it is too bright or too dark by.

    The windows depend on modality and scale alone, so that pictures of different results, also of
    different runs, can be laid side by side.

    Args:
        reference: The truth.
        results: Of the same shape.
        path: A PNG file in a folder that exists.
        unit: Of the values.
        scale: Of the reference series.
        modality: ``"CT"``, ``"MR"``, ``"PT"`` or ``""``.
        spacing: Of rows and columns, in mm.

    Raises:
        WriteError: The file cannot be written.
    """
    low, high = WINDOWS.get(modality, (0.0, scale))
    limit = ERRORS.get(modality, SHARE * scale)
    shown = [reference, *results]
    columns = min(COLUMNS, len(shown))
    lines = -(-len(shown) // columns)
    aspect = spacing[0] / spacing[1]
    tall = PANEL * reference.image.shape[0] * aspect / reference.image.shape[1]
    width, height = columns * (PANEL + GAP) + GAP + BAR, lines * 2 * (tall + HEADING) + GAP
    figure = Figure(figsize=(width, height), facecolor=NIGHT)
    FigureCanvasAgg(figure)  # no display is asked for

    def panel(number: int, row: int) -> Axes:
        line, column = divmod(number, columns)
        top = (2 * line + row) * (tall + HEADING) + HEADING
        left = GAP + column * (PANEL + GAP)
        place = (left / width, 1 - (top + tall) / height, PANEL / width, tall / height)
        axes = figure.add_axes(place, facecolor=NIGHT)
        axes.set_axis_off()
        return axes

    for number, one in enumerate(shown):
        axes = panel(number, 0)
        axes.imshow(one.image, cmap="gray", vmin=low, vmax=high, aspect=aspect)
        axes.set_title(one.name, color=PAPER, fontsize=11, loc="left")
        if one is reference:
            window = f"window {low:.4g} to {high:.4g} {unit}"
            axes.annotate(window, (0, 0), (0, -12), "axes fraction", "offset points", color=FADED)
            continue
        error = one.image.astype(np.float64) - reference.image
        axes = panel(number, 1)
        axes.imshow(error, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect=aspect)
        axes.set_title(f"{one.name} - reference", color=FADED, fontsize=9, loc="left")
    side = figure.add_axes(((width - BAR + 0.08) / width, 0.1, 0.12 / width, 0.35))
    bar = figure.colorbar(ScalarMappable(Normalize(-limit, limit), "RdBu_r"), side)
    bar.ax.tick_params(colors=FADED, labelsize=8)
    bar.ax.set_title(unit, color=FADED, fontsize=8)
    with writing(path) as file:
        figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
