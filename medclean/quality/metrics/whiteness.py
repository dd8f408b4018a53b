"""Whether what was removed is without order, as white noise is."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclean.quality.metrics._base import Metric, Pair, Part, summed
from medclean.volume import Mask

# Half of the neighbours within 2 pixels: the other half correlates alike.
NEIGHBOURS = ((0, 1), (0, 2), *((row, column) for row in (1, 2) for column in range(-2, 3)))


@dataclass(frozen=True)
class Whiteness(Metric):
    """1 - the root mean square correlation of noisy - result with itself up to 2 pixels away.

    1 for white noise; edges, texture and shades that were taken away lower it. So does noise that
    was not white to begin with, as of CT: compare results, not levels. NaN where nothing changed.
    """

    better = "higher"
    unit = "1"
    regions = "body mask"
    needs_reference = False
    needs_noisy = True

    def parts(self, pair: Pair, masks: Sequence[Mask | None]) -> list[Part | None]:
        removed = pair.compared.astype(np.float64) - pair.result
        return [_products(removed, mask) for mask in masks]

    def whole(self, parts: Sequence[Part], data_range: float) -> float:
        sums = summed(parts)
        correlations = [_correlation(*sums[k : k + 4]) for k in range(0, len(sums), 4)]
        return 1 - sqrt(sum(c * c for c in correlations) / len(correlations))


def _products(removed: NDArray[np.float64], mask: Mask | None) -> Part | None:
    """For each neighbour: sums of the squares of both, of their product, and their count."""
    inside = np.ones(removed.shape, bool) if mask is None else mask
    if not inside.any():
        return None
    values = np.where(inside, removed - removed[inside].mean(), 0.0)
    found: list[float] = []
    for rows, columns in NEIGHBOURS:
        (one, both), (other, too) = (_moved(values, inside, rows, columns, far) for far in (0, 1))
        there = both & too
        found += [
            float(np.sum(one * one, where=there)),
            float(np.sum(other * other, where=there)),
            float(np.sum(one * other, where=there)),
            float(there.sum()),
        ]
    return tuple(found)


def _moved(
    values: NDArray[np.float64], inside: Mask, rows: int, columns: int, far: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The part of an image that has a neighbour there, or the part that is such a neighbour."""
    height, width = values.shape
    right = columns if far else 0
    top, left = (rows if far else 0), right + max(0, -columns)
    part = (
        slice(top, top + height - rows),
        slice(left, left + width - abs(columns)),
    )
    return values[part], inside[part]


def _correlation(one: float, other: float, product: float, count: float) -> float:
    return product / sqrt(one * other) if count and one * other > 0 else nan


PROVIDES = Whiteness
