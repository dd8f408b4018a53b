"""How strong the noise of a slice is, measured from the slice alone."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medclean.physics.signal.body import body_mask
from medclean.volume import Image, Mask

LAGS = (1, 2, 3, 4)  # pixels
LEVEL = 1.35  # growth from one lag to the next at which the estimate has levelled off
FLAT = 0.5  # share of the body that is looked at: where the smoothed slice is flattest
NORMAL_MAD = 0.6744897501960817  # median |x| of a standard normal variable
_DIFFERENCE = (1.0, -2.0, 1.0)


def noise_level(image: Image, mask: Mask | None = None) -> float:
    """Standard deviation of the noise of one slice, in the slice's unit.

    The median absolute response to Immerkaer's difference kernel (1996), [1, -2, 1] along rows
    times the same along columns, where the body is flattest. It cancels planes and is blind to
    edges. Noise that interpolation or a reconstruction kernel has blurred is too smooth for
    neighbouring pixels: the kernel is spread until its response no longer grows, which comes
    within a quarter of the level.

    Limits: an even level is assumed; where it varies (parallel imaging, CT) this is a middle
    value. Rician noise is a few percent low where the signal is under 3 sigma. A noise-free slice
    gives its finest texture (0.3 % of scale for a brain), a level below half a stored unit may
    give 0, and noise correlated over more than 3 pixels reads too low.

    Args:
        image: ``(rows, columns)``.
        mask: True where a pixel is part of the image; within it, the body is looked at.

    Returns:
        0 where the slice is constant or smaller than the kernel.
    """
    if np.ptp(image) == 0:
        return 0.0
    values, inside = flat_body(image, mask)
    return _levelled(lambda lag: response(values, inside, lag, lag))


def flat_body(image: Image, mask: Mask | None = None) -> tuple[NDArray[np.float64], Mask]:
    """A slice without its padding, and where the half of its body lies that is flattest.

    Args:
        image: ``(rows, columns)``.
        mask: True where a pixel is part of the image.
    """
    if mask is not None and mask.any():
        image = np.where(mask, image, image[mask].min())  # padding may lie far below all values
    inside = body_mask(image, "") & (True if mask is None else mask)
    if inside.any():
        slope = ndimage.gaussian_gradient_magnitude(image, 2, output=np.float64)
        inside = inside & (slope <= np.quantile(slope[inside], FLAT))
    return image.astype(np.float64), inside


class Levels(NamedTuple):
    """What some pixels show of the noise around them.

    Attributes:
        level: As ``noise_level`` takes it, within 2 % for 4,000 pixels.
        finest: What neighbouring pixels alone show: less where noise is smooth.
        widest: What pixels show that are the widest lag apart: all of smooth noise, and the most of
            texture. Levels of two images compare at one lag, finest or widest; at which of them an
            image has levelled off is a matter of chance where hardly any noise is left.
    """

    level: float
    finest: float
    widest: float


def noise_at(image: Image, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Levels:
    """The same from some pixels alone, which is quick; what is around them counts as it is.

    Args:
        image: ``(rows, columns)``; of integers, levels are multiples of a quarter.
        rows: Of pixels in flat parts of the body, at least ``LAGS[-1]`` from the border.
        columns: Of the same.

    Returns:
        0 for no pixels.
    """

    @cache
    def at_lag(lag: int) -> float:
        around = [lag * (place - 1) for place in range(3)]
        patches = image[rows[:, None, None] + np.c_[around], columns[:, None, None] + around]
        response = np.einsum("kij,i,j", patches, _DIFFERENCE, _DIFFERENCE, dtype=np.float64)
        return float(np.median(np.abs(response)) / 6 / NORMAL_MAD)

    if not len(rows):
        return Levels(0.0, 0.0, 0.0)
    return Levels(_levelled(at_lag), at_lag(LAGS[0]), at_lag(LAGS[-1]))


def middle(slices: int, most: int = 9) -> list[int]:
    """Places of slices that stand for a volume: evenly spread over its middle half."""
    first, last = slices // 4, max(slices - slices // 4, slices // 4 + 1)
    return sorted({first + int((k + 0.5) * (last - first) / most) for k in range(most)})


def series_noise_level(slices: Iterable[float]) -> float:
    """The noise level of a series: the median of those of its slices; 0 for none."""
    found = list(slices)
    return float(np.median(found)) if found else 0.0


def _levelled(at_lag: Callable[[int], float]) -> float:
    """The level at the first lag from which it no longer grows."""
    finest = level = at_lag(LAGS[0])
    for lag in LAGS[1:]:
        wider = at_lag(lag)
        if wider <= LEVEL * level:
            return level
        level = wider
    return finest  # it only grows: this is structure, not blurred noise


def response(image: NDArray[np.float64], inside: Mask, rows: int, columns: int) -> float:
    """Noise by differences over so many pixels along each axis.

    Args:
        image: ``(rows, columns)``.
        inside: Which pixels count, of those around which anything varies.
        rows: Lag from one row to the next that is looked at.
        columns: Likewise.

    Returns:
        The standard deviation of white noise; 0 where there is nothing to look at.
    """
    if image.shape[0] <= 2 * rows or image.shape[1] <= 2 * columns:
        return 0.0
    found = image
    for axis, lag in enumerate((rows, columns)):
        kernel = np.zeros(2 * lag + 1)
        kernel[[0, lag, -1]] = _DIFFERENCE
        found = ndimage.correlate1d(found, kernel, axis=axis)
    reach = 2 * max(rows, columns) + 1
    varies = ndimage.maximum_filter(image, reach) > ndimage.minimum_filter(image, reach)
    whole = (slice(rows, -rows), slice(columns, -columns))  # further out the kernel leaves it
    there = (inside & varies)[whole]
    if not there.any():
        return 0.0
    return float(np.median(np.abs(found[whole][there])) / 6 / NORMAL_MAD)  # 6: kernel's norm
