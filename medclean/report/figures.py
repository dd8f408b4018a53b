"""Figures: what an image was, what it became, and what was taken away."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from medclean.volume import Image

NIGHT, PAPER, FADED, AMBER = "#0d1017", "#eceff4", "#8b94a3", "#ffb454"
PANEL = 3.2  # inches a side
HEADING = 0.62  # inches above each row
GAP = 0.1  # inches between panels
ZOOM = 0.32  # width of the inset, of the panel's
BARS = (100, 50, 20, 10, 5)  # mm: the longest that fits a third of the panel


@dataclass(frozen=True, eq=False)
class Comparison:
    """A slice before and after.

    Attributes:
        name: Title of the first panel: ``"Head, T1: before"``.
        before: ``(rows, columns)`` in ``unit``.
        after: The same shape.
        window: Lowest and highest value that the grey scale tells apart.
        unit: ``"HU"``, ``"Bq/ml"`` or ``"au"``.
        spacing: Of a pixel, in mm.
        clean: The truth, where there is one; without it no figure of merit can be told.
        data_range: What PSNR and SSIM take as the peak: the scale of the clean series.
        zoom: First row, first column and width of the detail, in pixels.
        skip: Rows at the top that are not drawn, but count in PSNR and SSIM.
    """

    name: str
    before: Image
    after: Image
    window: tuple[float, float]
    unit: str
    spacing: float
    clean: Image | None = None
    data_range: float = 1.0
    zoom: tuple[int, int, int] | None = None
    skip: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns that are drawn."""
        rows, columns = self.before.shape
        return rows - self.skip, columns


def triptych(rows: Sequence[Comparison], path: Path, *, dpi: int = 140) -> None:
    """Draw before, after and what was removed, a row a slice, and the truth where it is known.

    Before, after and truth share one window; the removed part has one around 0.

    Args:
        rows: At least one.
        path: A file; its ending says the format.
        dpi: Dots per inch; a panel is 3.2 inches wide.
    """
    columns = 4 if any(row.clean is not None for row in rows) else 3
    width = GAP + columns * (PANEL + GAP)
    heights = [PANEL * row.shape[0] / row.shape[1] for row in rows]
    height = GAP + sum(heights) + len(rows) * HEADING
    figure = Figure(figsize=(width, height), facecolor=NIGHT)
    bottom = height
    for row, tall in zip(rows, heights, strict=True):
        bottom -= HEADING + tall
        for column, draw in enumerate((_before, _after, _removed, _truth)[:columns]):
            left = GAP + column * (PANEL + GAP)
            place = (left / width, bottom / height, PANEL / width, tall / height)
            axes = figure.add_axes(place, facecolor=NIGHT)
            axes.set_axis_off()
            draw(axes, row)
    figure.savefig(path, dpi=dpi, metadata={"Software": None} if path.suffix == ".png" else None)


def merit(image: Image, clean: Image, data_range: float) -> tuple[float, float]:
    """PSNR in dB and SSIM (Gaussian window of 1.5 pixels, Wang et al. 2004) of a slice."""
    with np.errstate(divide="ignore"):  # equal images: infinity
        psnr = float(peak_signal_noise_ratio(clean, image, data_range=data_range))
    ssim = structural_similarity(
        clean, image, data_range=data_range, gaussian_weights=True, use_sample_covariance=False
    )
    return psnr, float(ssim)


def _before(axes: Axes, row: Comparison) -> None:
    low, high = (f"{value:g}".replace("-", "\N{MINUS SIGN}") for value in row.window)
    _panel(axes, row, row.before, row.window)
    _heading(axes, row.name, f"window {low} to {high} {row.unit}", _figures(row, row.before))
    _scale_bar(axes, row)


def _after(axes: Axes, row: Comparison) -> None:
    _panel(axes, row, row.after, row.window)
    _heading(axes, "after", "same window", _figures(row, row.after))


def _removed(axes: Axes, row: Comparison) -> None:
    removed = row.before - row.after
    limit = _round(float(np.percentile(np.abs(removed), 99.5)))
    _panel(axes, row, removed, (-limit, limit))
    _heading(axes, "removed", f"window \N{PLUS-MINUS SIGN} {limit:g} {row.unit}")


def _truth(axes: Axes, row: Comparison) -> None:
    if row.clean is not None:
        _panel(axes, row, row.clean, row.window)
        _heading(
            axes, "truth", f"PSNR and SSIM of this slice, peak {row.data_range:.0f} {row.unit}"
        )


def _panel(axes: Axes, row: Comparison, image: Image, window: tuple[float, float]) -> None:
    """An image in its window, with the detail enlarged in the lower right corner."""
    low, high = window
    rows, columns = row.shape
    edges = (-0.5, columns - 0.5, row.skip + rows - 0.5, row.skip - 0.5)
    axes.imshow(image[row.skip :], cmap="gray", vmin=low, vmax=high, extent=edges)
    if row.zoom is None:
        return
    top, left, size = row.zoom
    axes.add_patch(Rectangle((left, top), size, size, fill=False, color=AMBER, linewidth=0.8))
    inset = axes.inset_axes((1 - ZOOM, 0, ZOOM, ZOOM * columns / rows))
    detail = image[top : top + size, left : left + size]
    inset.imshow(detail, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    inset.set(xticks=[], yticks=[])
    for spine in inset.spines.values():
        spine.set(color=AMBER, linewidth=1.0)


def _heading(axes: Axes, title: str, detail: str, figures: str = "") -> None:
    def write(text: str, x: float, points: float, **style: Any) -> None:
        style = {"xycoords": "axes fraction", "textcoords": "offset points", **style}
        axes.annotate(text, (x, 1), (0, points), **style)

    write(title, 0, 20, color=PAPER, fontsize=13, fontweight="bold")
    write(detail, 0, 6, color=FADED, fontsize=9)
    write(figures, 1, 6, color=AMBER, fontsize=9, ha="right")


def _figures(row: Comparison, image: Image) -> str:
    if row.clean is None:
        return ""
    psnr, ssim = merit(image, row.clean, row.data_range)
    return f"{psnr:.1f} dB   SSIM {ssim:.3f}"


def _scale_bar(axes: Axes, row: Comparison) -> None:
    rows, columns = row.shape
    length = next((bar for bar in BARS if bar / row.spacing < columns / 3), None)
    if length is None:
        return
    start, level = 0.04 * columns, row.skip + 0.95 * rows
    axes.plot([start, start + length / row.spacing], [level, level], color=PAPER, linewidth=1.5)
    axes.text(start, level - 0.015 * rows, f"{length} mm", color=PAPER, fontsize=8, va="bottom")


def _round(limit: float) -> float:
    """To one significant digit, so that a title can state it; 1 for 0."""
    if limit <= 0:
        return 1.0
    digit = 10.0 ** floor(log10(limit))
    return round(limit / digit) * digit
