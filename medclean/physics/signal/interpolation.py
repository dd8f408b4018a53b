"""Whether the pixels of a slice are finer than what was measured, and the way to that and back.

Scanners often show 256 samples as 512 pixels, by filling k-space up with zeros. Its noise is then
no longer white: neighbouring pixels share it, and what knows white noise takes it for detail.
"""

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medclean.physics.signal.fourier import to_image, to_kspace
from medclean.physics.signal.noise_level import flat_body, response
from medclean.volume import Factors, Image, Mask

LEAST = 0.01  # noise, in scale, below which anatomy is what shows, and is smooth in any image
NARROWEST = 0.4  # band below which it is anatomy, too, or interpolation by far more than two
HALVED = (  # noise in scale, and the widest band of interpolated images that have so much
    (0.02, 0.05, 0.1, 0.2),
    (0.52, 0.57, 0.63, 0.74),
)
FEWEST = 1000  # flat pixels of a body; fewer tell too little
_FINE, _WIDE = 1, 3  # pixels between which differences are taken


class Band(NamedTuple):
    """Which share of the frequencies along an axis noise fills: 1 where it is white.

    Attributes:
        rows: Along columns of pixels, from row to row.
        columns: From column to column.
        level: Standard deviation of the noise, in the unit of the slice.
    """

    rows: float
    columns: float
    level: float


def band(image: Image, mask: Mask | None = None) -> Band | None:
    """The band of the noise of one slice.

    Of noise that fills a share ``b`` of the frequencies evenly, the response to [1, -2, 1] grows
    with the distance of its three pixels, the more the smaller ``b`` is. The growth from 1 to 3
    pixels is measured along one axis, while those of the other axis stay 3 pixels apart, where the
    body is flattest, and ``b`` is read off.

    Args:
        image: ``(rows, columns)``.
        mask: True where a pixel is part of the image.

    Returns:
        None where too little of the slice is flat, or nothing varies there.
    """
    values, inside = flat_body(image, mask)
    level = response(values, inside, _WIDE, _WIDE)
    if np.count_nonzero(inside) < FEWEST or not level:
        return None
    lags = ((_FINE, _WIDE), (_WIDE, _FINE))
    rows, columns = (_filled(response(values, inside, *lag) / level) for lag in lags)
    return Band(rows, columns, level)


def factors(bands: Sequence[Band], scale: float) -> Factors:
    """How many pixels one sample became: 2 along an axis of which noise fills about half.

    Of 23 brains, hearts and other series, as they are and interpolated twofold, with complex noise
    of 2, 5, 10, 20 and 30 % of scale: magnitudes that were interpolated have bands of 0.42
    to 0.50, 0.52, 0.55, 0.67 and 0.69, as those of strong noise have more frequencies than the
    noise; magnitudes that were not have 0.57, 0.68, 0.72, 0.83, 0.85 and more.

    Args:
        bands: Of slices; their medians count.
        scale: What 1 means.
    """
    if not bands:
        return 1, 1
    *middle, level = np.median(bands, axis=0)
    if level < LEAST * scale:
        return 1, 1
    widest = np.interp(level / scale, *HALVED)
    rows, columns = (2 if NARROWEST <= found <= widest else 1 for found in middle)
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
    """Samples as more pixels, their k-space filled up with zeros.

    The way back from ``thin``, but for the highest frequency of an even number of samples.

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
    return slice(old // 2 - low, old // 2 + high), slice(new // 2 - low, new // 2 + high)


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
