"""Whether the pixels of a slice are finer than what was measured, and the way to that and back.

Scanners often show 256 samples as 512 pixels, by filling k-space up with zeros. Its noise is then
no longer white: neighbouring pixels share it, and what knows white noise takes it for detail.
"""

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medclean.physics.signal.body import body_mask
from medclean.physics.signal.fourier import to_image, to_kspace
from medclean.volume import Image, Mask

Factors: TypeAlias = tuple[int, int]  # pixels that one sample became, along rows and columns

HALF = 0.52  # band up to which every second pixel is held to say nothing new
FLAT = 0.5  # share of the body that is looked at, as for the noise level
FEWEST = 1000  # pixels there; fewer tell too little
_FINE, _WIDE = 1, 3  # pixels between which differences are taken
_DIFFERENCE = (1.0, -2.0, 1.0)


class Band(NamedTuple):
    """Which share of the frequencies along an axis noise fills: 1 where it is white."""

    rows: float
    columns: float


def band(image: Image, mask: Mask | None = None) -> Band | None:
    """The band of the noise of one slice.

    Of noise that fills a share ``b`` of the frequencies evenly, the response to [1, -2, 1] grows
    with the distance of its three pixels, the more the smaller ``b`` is. The growth from 1 to 3
    pixels is measured along one axis, while those of the other axis stay 3 pixels apart, where the
    body is flattest, and ``b`` is read off. Images that scanners interpolated twofold have 0.41 to
    0.49; white noise of 2 % of scale has 0.65 to 0.9, as what is below it is smooth.

    Args:
        image: ``(rows, columns)``.
        mask: True where a pixel is part of the image.

    Returns:
        None where too little of the slice is flat, or nothing varies there.
    """
    if mask is not None and mask.any():
        image = np.where(mask, image, image[mask].min())  # padding may lie far below all values
    inside = body_mask(image, "") & (True if mask is None else mask)
    if np.count_nonzero(inside) < FEWEST or min(image.shape) <= 2 * _WIDE:
        return None
    slope = ndimage.gaussian_gradient_magnitude(image, 2, output=np.float64)
    inside &= slope <= np.quantile(slope[inside], FLAT)
    values = image.astype(np.float64)
    wide = _response(values, inside, _WIDE, _WIDE)
    if not wide:
        return None
    lags = ((_FINE, _WIDE), (_WIDE, _FINE))
    return Band(*(_filled(_response(values, inside, *lag) / wide) for lag in lags))


def factors(bands: Sequence[Band]) -> Factors:
    """How many pixels one sample of a series became: 2 along an axis whose noise fills half of it.

    Args:
        bands: Of its slices; their median counts.
    """
    if not bands:
        return 1, 1
    rows, columns = (2 if middle <= HALF else 1 for middle in np.median(bands, axis=0))
    return rows, columns


def thin(images: Image, by: Factors) -> Image:
    """The samples that images ``(..., rows, columns)`` were made of: the middle of their k-space.

    Args:
        images: Of any two sizes; an odd one that is halved is rounded up.
        by: What ``factors`` says.
    """
    shape = (*images.shape[:-2], *(-(-n // f) for n, f in zip(images.shape[-2:], by, strict=True)))
    return _resampled(images, shape)


def fill(samples: Image, shape: tuple[int, ...]) -> Image:
    """Samples as more pixels, their k-space filled up with zeros: the way back from ``thin``.

    Args:
        samples: ``(..., rows, columns)``.
        shape: Of the result, the same but for the last two.
    """
    return _resampled(samples, shape)


def _resampled(images: Image, shape: tuple[int, ...]) -> Image:
    """Another part of the same k-space, zero where there was none; values keep their height."""
    kspace = to_kspace(images)
    new = np.zeros(shape, kspace.dtype)
    ours, theirs = zip(*map(_common, kspace.shape[-2:], shape[-2:]), strict=True)
    new[(..., *theirs)] = kspace[(..., *ours)]
    height = np.float32((prod(shape[-2:]) / prod(images.shape[-2:])) ** 0.5)  # of orthonormal ones
    return np.ascontiguousarray(height * to_image(new).real)


def _common(old: int, new: int) -> tuple[slice, slice]:
    """The frequencies that two axes have in common, in each of them; 0 lies at ``n // 2``."""
    low = min(old // 2, new // 2)
    high = min(old - old // 2, new - new // 2)
    return tuple(slice(n // 2 - low, n // 2 + high) for n in (old, new))  # type: ignore[return-value]  # two of them


def _response(image: NDArray[np.float64], inside: Mask, rows: int, columns: int) -> float:
    """Median height of differences between pixels so far apart."""
    for axis, lag in enumerate((rows, columns)):
        kernel = np.zeros(2 * lag + 1)
        kernel[[0, lag, -1]] = _DIFFERENCE
        image = ndimage.correlate1d(image, kernel, axis=axis)
    whole = (slice(_WIDE, -_WIDE), slice(_WIDE, -_WIDE))  # further out the kernel leaves the image
    return float(np.median(np.abs(image[whole][inside[whole]]))) if inside[whole].any() else 0.0


def _filled(growth: float) -> float:
    """The band in which even noise would have such a share of the wide response."""
    bands, shares = _shares()
    return float(np.interp(growth, shares, bands))


@cache
def _shares() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bands from a tenth to all, and the fine response of each as a share of the wide one."""
    bands = np.linspace(0.1, 1, 91)
    fine, wide = (_spread(bands * lag) for lag in (_FINE, _WIDE))
    return bands, np.sqrt(fine / wide)


def _spread(band: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of ``|2 - 2 cos w|^2`` over frequencies up to ``pi band``."""
    return 6 - 8 * np.sinc(band) + 2 * np.sinc(2 * band)
