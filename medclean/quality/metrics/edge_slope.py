"""How steep edges are: the greatest slope of the edge spread."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medclean.quality.metrics._base import Metric, Pair, Part
from medclean.volume import Mask

REACH = 6.0  # pixels from an edge to either end of its profile
STEP = 0.25  # pixels between two samples of it
PLATEAU = 7  # samples at each end whose mean is the level there
WIDTH = 2.0  # pixels: of the Gaussian derivative that finds edges
STEEPEST = 0.02  # share of the pixels that may be edges, as in the safety figures
MOST = 400  # edges of a slice
LONE = 1.15  # an edge whose profile spans more than this times its height is a line or a spot

BORDER = int(REACH) + 1
PLACES = np.arange(-REACH, REACH + STEP / 2, STEP)


class Edges(NamedTuple):
    """Edges that lead from one level to another.

    Attributes:
        rows: Where each passes half of its height.
        columns: Likewise.
        down: Rows that one pixel further up leads to.
        right: Columns, likewise.
        low: Level at its foot.
        height: Above that, at its top.
    """

    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    down: NDArray[np.float64]
    right: NDArray[np.float64]
    low: NDArray[np.float64]
    height: NDArray[np.float64]


@dataclass(frozen=True)
class EdgeSlope(Metric):
    """Steepest part of the mean profile across edges, in their height a mm.

    A step that a Gaussian of s mm has blurred has 1 / (s sqrt(2 pi)). Edges are those 2 % of the
    pixels that are steepest in the reference if there is one, in the image itself else, and that
    lead from one level to another; all results are measured at the same ones. Noise averages out.
    """

    better = "higher"
    unit = "1/mm"
    regions = "body mask"
    needs_reference = False

    def parts(self, pair: Pair, masks: Sequence[Mask | None]) -> list[Part | None]:
        guide = pair.result if pair.other is None else pair.other
        own = pair.once(_spline, pair.result)
        found = (pair.once(_edges, guide, mask, pair.spacing) for mask in masks)
        return [_profile(own, edges, min(pair.spacing)) for edges in found]

    def whole(self, parts: Sequence[Part], data_range: float) -> float:
        step = parts[0][0]
        rise = np.sum([part[1:] for part in parts], axis=0)
        height = rise[-PLATEAU:].mean() - rise[:PLATEAU].mean()
        return float(np.gradient(rise, step).max() / height) if height > 0 else nan


def _profile(own: NDArray[np.float64], edges: Edges, pixel: float) -> Part | None:
    """The step in mm, and the sum of the profiles, each from 0 to 1 in the guide.

    Args:
        own: Spline of the image that is measured.
        edges: Where to look.
        pixel: Width of one, in mm.
    """
    if not len(edges.rows):
        return None
    rise = (_along(own, *edges[:4]) - edges.low[:, None]) / edges.height[:, None]
    return (STEP * pixel, *map(float, rise.sum(axis=0)))


def _edges(guide: NDArray[Any], mask: Mask | None, spacing: tuple[float, float]) -> Edges:
    """The lone ones among the steepest places of an image."""
    rows, columns, down, right = _crests(guide, mask, spacing)
    profiles = _along(_spline(guide), rows, columns, down, right)
    low, high = profiles[:, :PLATEAU].mean(axis=1), profiles[:, -PLATEAU:].mean(axis=1)
    height = high - low
    place = _crossing(profiles - (low + height / 2)[:, None])
    lone = (height > 0) & (np.ptp(profiles, axis=1) <= LONE * height)
    found = (rows + place * down, columns + place * right, down, right, low, height)
    return Edges(*(values[lone] for values in found))


def _crests(
    guide: NDArray[Any], mask: Mask | None, spacing: tuple[float, float]
) -> tuple[NDArray[np.float64], ...]:
    """Rows and columns that are steeper than what lies before and behind, and the way up."""
    slopes = [
        ndimage.gaussian_filter(guide, WIDTH, order, output=np.float64) / width
        for order, width in zip(((1, 0), (0, 1)), spacing, strict=True)
    ]
    steep = np.hypot(*slopes)
    inside = np.zeros(steep.shape, bool)
    inside[BORDER:-BORDER, BORDER:-BORDER] = True
    if mask is not None:
        inside &= mask
    if not inside.any():
        return tuple(np.zeros((4, 0)))
    inside &= (steep >= np.quantile(steep[inside], 1 - STEEPEST)) & (steep > 0)
    rows, columns = inside.nonzero()
    order = np.argsort(-steep[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    down, right = (slope[rows, columns] / steep[rows, columns] for slope in slopes)
    before, behind = (
        ndimage.map_coordinates(steep, [rows + way * down, columns + way * right], order=1)
        for way in (-1, 1)
    )
    crest = (steep[rows, columns] >= np.maximum(before, behind)).nonzero()[0][:MOST]
    return rows[crest] * 1.0, columns[crest] * 1.0, down[crest], right[crest]


def _spline(image: NDArray[Any]) -> NDArray[np.float64]:
    """The coefficients of a cubic spline through its pixels."""
    return ndimage.spline_filter(image.astype(np.float64), mode="nearest")


def _along(
    spline: NDArray[np.float64],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    down: NDArray[np.float64],
    right: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Profiles ``(edges, samples)`` through places, from below to above."""
    places = [rows[:, None] + PLACES * down[:, None], columns[:, None] + PLACES * right[:, None]]
    return ndimage.map_coordinates(spline, places, prefilter=False, mode="nearest")


def _crossing(profiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where each passes from below 0 to above, nearest to its middle, in pixels."""
    before, after = profiles[:, :-1], profiles[:, 1:]
    passes = (before < 0) & (after >= 0)
    far = np.where(passes, np.abs(PLACES[:-1] + STEP / 2), np.inf)
    place = far.argmin(axis=1)
    rows = np.arange(len(profiles))
    share = -before[rows, place] / (after[rows, place] - before[rows, place])
    return PLACES[place] + STEP * share


PROVIDES = EdgeSlope
