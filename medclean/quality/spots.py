"""Where a slice changed in one place of a lesion's size more than noise explains."""

from math import sqrt

import numpy as np
from scipy import ndimage

from medclean.physics.signal import gradients
from medclean.physics.signal.gradients import STEP
from medclean.physics.signal.noise_level import NORMAL_MAD
from medclean.volume import Image, Mask

WIDTH = 4.0  # pixels: standard deviation of the Gaussian that spots are looked for with
AROUND = 34  # pixels: width of the square that a spot is compared with
MAJORITY = 0.5  # of the neighbourhood of a spot must be body
STRONGER = 3.0  # times the slice's noise is the most that is taken for noise anywhere
MOST = 1000.0  # that a spot can reach

_BLUR = sqrt(WIDTH**2 - gradients.WIDTH**2) / STEP  # points: makes one Gaussian of the other
_NOISE = gradients.NOISE * gradients.WIDTH / WIDTH  # left of white noise
_APART = np.array([1.0, 0, 0, 0, -2, 0, 0, 0, 1])  # of means that share next to no pixel


def greatest(
    change: Image, body: Mask, lit: Mask, *, sigma: float, least: float
) -> tuple[float, int, int] | None:
    """The greatest spot: its height in standard deviations of what noise explains, row, column.

    A spot is a Gaussian mean of the change less the mean around it, so that what changed all over
    is none and hides none. Noise explains what white noise of the slice's level leaves of such
    means. It may be stronger in places (parallel imaging, the middle of a CT) or smoother than
    white, which the change itself shows: its fine part there, and how smooth that is. This is
    believed up to ``STRONGER`` times, so that no denoiser hides a lesion behind all that it does.

    Means are of the body alone, where it is most of the neighbourhood: around it, as where it is
    dark, Rician noise lifts the mean, and a good denoiser takes that away.

    Args:
        change: ``(rows, columns)``, after - before.
        body: Points that means are of.
        lit: Those among them where a spot may be.
        sigma: Of the slice's noise.
        least: What a spot is divided by at least: a change that nobody can see.

    Returns:
        None where there is nowhere to look.
    """
    inside = gradients.at_pixels(body, change.shape)
    share = ndimage.gaussian_filter(body.astype(np.float32), WIDTH / STEP)
    asked = lit & (share > MAJORITY)
    if not asked.any():
        return None
    near = gradients.local_mean(np.where(inside, change, 0))
    fine = change[::STEP, ::STEP] - near
    around = _around(body.astype(np.float32))[asked]
    wide = _around(np.where(body, near, 0))[asked] / around
    loud = np.sqrt(np.maximum(_around(np.where(body, fine * fine, 0))[asked], 0) / around)
    share = share[asked]
    spots = ndimage.gaussian_filter(near, _BLUR)[asked] / share - wide
    spots = np.abs(spots) * np.sqrt(share)  # means of fewer vary more
    tiny = max(least, float(spots.max()) / MOST)
    if not tiny:
        return 0.0, 0, 0
    level = np.maximum(np.maximum(loud, sigma), tiny)
    explained = np.minimum(_smoothness(near, asked, level) * level, STRONGER * sigma)
    heights = spots / np.maximum(_NOISE * explained, tiny)
    row, column = (int(place[heights.argmax()]) for place in np.nonzero(asked))
    return float(heights.max()), STEP * row, STEP * column


def _smoothness(near: Image, asked: Mask, level: Image) -> float:
    """How many times as strong as those of white noise the means of 2 pixels are; at least 1.

    From differences that cancel planes, as in ``noise_level``, so that what changed broadly is
    not taken for noise.
    """
    across = ndimage.correlate1d(ndimage.correlate1d(near, _APART, axis=0), _APART, axis=1)
    norm = gradients.NOISE * float((_APART**2).sum())
    return max(1.0, float(np.median(np.abs(across[asked]) / level)) / norm / NORMAL_MAD)


def _around(points: Image) -> Image:
    mean: Image = ndimage.uniform_filter(points, AROUND // STEP)
    return mean
