"""Gradient magnitude similarity deviation (Xue et al., 2014), mean over slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medclean.quality.metrics._base import Metric, Pair, Part, averaged
from medclean.volume import Mask

STABLE = 170 / 255**2  # their T, for a data range of 1
LEAST = 4  # pixels a side


@dataclass(frozen=True)
class Gmsd(Metric):
    """How unevenly edges were changed: the standard deviation of their similarity.

    0 for equal images; what is changed everywhere alike is not seen. At half resolution, as
    published.
    """

    better = "lower"
    unit = "1"
    regions = "image window"
    needs_reference = True

    def parts(self, pair: Pair, masks: Sequence[Mask | None]) -> list[Part | None]:
        if min(pair.result.shape) < LEAST:
            return [None] * len(masks)
        one, other = (_steepness(image / pair.data_range) for image in (pair.result, pair.compared))
        similar = (2 * one * other + STABLE) / (one**2 + other**2 + STABLE)
        return [(float(similar.std(ddof=1)),)] * len(masks)

    def whole(self, parts: Sequence[Part], data_range: float) -> float:
        return averaged(parts)


def _steepness(image: NDArray[Any]) -> NDArray[np.float64]:
    """Prewitt's gradient of means of 2 x 2 pixels; beyond the border is 0, as in their code."""
    odd = [(0, length % 2) for length in image.shape]
    rows, columns = (-(-length // 2) for length in image.shape)
    half = np.pad(image.astype(np.float64), odd).reshape(rows, 2, columns, 2).mean(axis=(1, 3))
    along, across = (
        ndimage.correlate1d(
            ndimage.correlate1d(half, [-1, 0, 1], axis, mode="constant"),
            [1 / 3] * 3,
            1 - axis,
            mode="constant",
        )
        for axis in (0, 1)
    )
    return np.hypot(along, across)


PROVIDES = Gmsd
