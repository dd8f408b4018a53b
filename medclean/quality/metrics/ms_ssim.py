"""Structural similarity at five scales (Wang, Simoncelli and Bovik, 2003), mean over slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medclean.quality.metrics._base import Metric, Pair, Part, averaged
from medclean.volume import Mask

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first (their section 3)
K1, K2 = 0.01, 0.03
RADIUS, SIGMA = 5, 1.5  # pixels
LEAST = (2 * RADIUS + 1) * 2 ** (len(WEIGHTS) - 1)  # pixels a side: a window at the last scale


@dataclass(frozen=True)
class MsSsim(Metric):
    """The product of contrast and structure over the scales, and of luminance at the coarsest.

    1 for equal images. Windows stay inside the image, scales are means of 2 x 2 pixels, and a
    negative mean, which has no power, counts as 0. Slices of less than 176 pixels a side have
    none.
    """

    better = "higher"
    unit = "1"
    regions = "image window"
    needs_reference = True

    def parts(self, pair: Pair, masks: Sequence[Mask | None]) -> list[Part | None]:
        value = ms_ssim(pair.result, pair.compared, pair.data_range)
        return [None if value is None else (value,)] * len(masks)

    def whole(self, parts: Sequence[Part], data_range: float) -> float:
        return averaged(parts)


def ms_ssim(one: NDArray[Any], other: NDArray[Any], data_range: float) -> float | None:
    """Of a slice; None where it is too small."""
    if min(one.shape) < LEAST:
        return None
    images = np.stack([one, other]).astype(np.float64)
    value = 1.0
    for scale, weight in enumerate(WEIGHTS):
        luminance, structure = _similar(images, data_range)
        last = scale == len(WEIGHTS) - 1
        mean = float((luminance * structure if last else structure).mean())
        value *= max(mean, 0.0) ** weight
        images = _halved(images)
    return value


def _similar(
    images: NDArray[np.float64], data_range: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Luminance, and contrast times structure, of two images around each pixel."""
    one, other = images
    means = _blurred(np.stack([one, other, one * one, other * other, one * other]))
    x, y, xx, yy, xy = means
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    luminance = (2 * x * y + c1) / (x * x + y * y + c1)
    structure = (2 * (xy - x * y) + c2) / (xx - x * x + yy - y * y + c2)
    return luminance, structure


def _blurred(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Through the Gaussian window, where it lies inside."""
    weights = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    weights /= weights.sum()
    inner = slice(RADIUS, -RADIUS)
    rows = ndimage.correlate1d(images, weights, axis=1)[:, inner]
    return ndimage.correlate1d(rows, weights, axis=2)[:, :, inner]


def _halved(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of 2 x 2 pixels; an odd last row or column is left out."""
    _, rows, columns = images.shape
    even = images[:, : rows // 2 * 2, : columns // 2 * 2]
    return even.reshape(2, rows // 2, 2, columns // 2, 2).mean(axis=(2, 4))


PROVIDES = MsSsim
