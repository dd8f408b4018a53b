"""Noise power spectrum (ICRU Report 87, 2012) from flat places of an image.

Squares in which the image is flattest lose their trend, a polynomial of second order, and the
squared size of their Fourier transform is averaged over squares and directions.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import ndimage

from medclean.quality.metrics._base import Part
from medclean.volume import Mask

SIDE, SMALL_SIDE = 32, 16  # pixels of a square; the small one for narrow images
NARROW = 192  # pixels
FLATTEST = 0.1  # share of the squares that surely are flat
MOST = 100  # squares of a slice
SMOOTH = 3.0  # pixels: what varies after such a blur is no noise


class Spectrum(NamedTuple):
    """Power by frequency, averaged over directions.

    Attributes:
        frequency: ``(bins,)`` in 1/mm, from the first above 0 to Nyquist's.
        power: ``(bins,)`` in the square of the image's unit times mm^2.
    """

    frequency: NDArray[np.float64]
    power: NDArray[np.float64]

    @property
    def mean_frequency(self) -> float:
        """Mean of the frequency, weighted by the power (AAPM TG-233, 2019); NaN without power."""
        # What lies below the first bin went with the trend: taken to be like it.
        f, p = np.r_[0.0, self.frequency], np.r_[self.power[0], self.power]
        total = np.trapezoid(p, f)
        return float(np.trapezoid(f * p, f) / total) if total > 0 else float("nan")


class Squares(NamedTuple):
    """Squares of an image: pixels of a side, and the first row and column of each."""

    side: int
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]


def spectrum(parts: Sequence[Part]) -> Spectrum:
    """The spectrum of a case from what ``flat_power`` found in its slices."""
    step, squares = parts[0][0], sum(part[1] for part in parts)
    power: NDArray[np.float64] = np.sum([part[2:] for part in parts], axis=0) / squares
    return Spectrum(step * np.arange(1.0, len(power) + 1), power)


def flat_squares(guide: NDArray[Any], mask: Mask | None) -> Squares:
    """Where an image is flattest, in squares that overlap by half.

    Args:
        guide: ``(rows, columns)``.
        mask: Squares lie inside; anywhere if None.
    """
    side = SIDE if min(guide.shape) >= NARROW else SMALL_SIDE
    smooth = ndimage.gaussian_filter(guide, SMOOTH, output=np.float64)
    mean, square = (_in_squares(values, side) for values in (smooth, smooth * smooth))
    varies = np.sqrt(np.maximum(square - mean * mean, 0))
    if mask is not None:
        varies[_in_squares(mask.astype(np.float64), side) < 1] = np.inf
    known = varies[np.isfinite(varies)]
    if not known.size:
        return Squares(side, *np.zeros((2, 0), np.intp))
    # Twice as much as in the flattest ones: were only these looked at, noise itself would choose
    # them, by how little of low frequencies it has there.
    rows, columns = np.nonzero(varies <= 2 * np.quantile(known, FLATTEST))
    even = slice(None, None, -(-len(rows) // MOST) or None)
    rows, columns = rows[even], columns[even]
    return Squares(side, rows * (side // 2), columns * (side // 2))


def flat_power(image: NDArray[Any], squares: Squares, spacing: tuple[float, float]) -> Part | None:
    """The step of frequency in 1/mm, the number of squares, and the sum of their power by bin.

    Args:
        image: ``(rows, columns)``.
        squares: Where to look.
        spacing: Of a pixel, in mm.

    Returns:
        None where there are no squares.
    """
    side, rows, columns = squares
    if not len(rows):
        return None
    bins, kept, step = _bins(side, spacing)
    cut = sliding_window_view(image, (side, side))[rows, columns].astype(np.float64)
    flat = cut.reshape(len(rows), -1)
    flat = flat - flat @ _trends(side) @ _trends(side).T
    size = np.abs(np.fft.fft2(flat.reshape(cut.shape))) ** 2
    power = size.sum(axis=0) * (spacing[0] * spacing[1] / side**2)
    radial = np.bincount(bins.ravel(), power.ravel())[1:-1] / kept
    return (step, float(len(rows)), *map(float, radial))


def _in_squares(values: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Means over squares, half a side apart; what is left over at the far borders has none."""
    half = side // 2
    rows, columns = (length // half for length in values.shape)
    blocks = values[: rows * half, : columns * half].reshape(rows, half, columns, half)
    means = blocks.mean(axis=(1, 3))
    return (means[:-1, :-1] + means[1:, :-1] + means[:-1, 1:] + means[1:, 1:]) / 4


@lru_cache(maxsize=8)
def _bins(
    side: int, spacing: tuple[float, float]
) -> tuple[NDArray[np.intp], NDArray[np.float64], float]:
    """The bin of each point of the plane, what each keeps of white noise, and the width of one.

    Bin 0 is frequency 0, the last one holds what lies beyond the lower of Nyquist's frequencies.
    What the others keep is their number of points, less what goes with the trend.
    """
    step = 1.0 / (side * max(spacing))
    rows, columns = (np.fft.fftfreq(side, width) for width in spacing)
    bins = np.rint(np.hypot(rows[:, None], columns) / step).astype(np.intp)
    bins = np.minimum(bins, side // 2 + 1)
    trends = np.fft.fft2(_trends(side).T.reshape(-1, side, side), norm="ortho")
    left = 1 - (np.abs(trends) ** 2).sum(axis=0)
    kept = np.bincount(bins.ravel(), left.ravel())[1:-1].astype(np.float64)
    return bins, kept, step


@lru_cache(maxsize=2)
def _trends(side: int) -> NDArray[np.float64]:
    """Orthonormal polynomials up to second order, ``(side^2, 6)``."""
    r, c = (axis.ravel() for axis in np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j])
    return np.linalg.qr(np.stack([np.ones_like(r), r, c, r * r, r * c, c * c], axis=1))[0]
