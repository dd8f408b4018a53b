"""Rician noise made even, so that what is made for Gaussian noise can remove it (Foi, 2011).

A. Foi, *Noise estimation and removal in MR imaging: the variance-stabilization approach*, IEEE
International Symposium on Biomedical Imaging, 2011. The transform here is computed, not copied: the
integral of one over the standard deviation makes the noise nearly even, and is refined by applying
the same rule to what is left (Foi, 2009). The noise then deviates from 1 by 5 % at most, at signals
of 1 to 2 sigma; no transform can make it even down to 0.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import cumulative_trapezoid
from scipy.special import ive

ROUNDS = 4  # of refinement
TOP = 20.0  # sigma of magnitude up to which the transform is a table
STRONG = 12.0  # sigma of signal up to which its inverse is one


class _Table(NamedTuple):
    """The transform by magnitude, and its mean by signal; all in sigma."""

    magnitude: NDArray[np.float64]
    value: NDArray[np.float64]
    signal: NDArray[np.float64]
    mean: NDArray[np.float64]


def stabilise(magnitude: ArrayLike, sigma: float) -> NDArray[np.float64]:
    """A magnitude image whose noise has a standard deviation near 1, whatever the signal.

    Args:
        magnitude: Of any shape; values below 0 count as 0.
        sigma: Of the noise of the real and of the imaginary part, above 0, in the image's unit.

    Returns:
        An image in sigma, of the same shape.
    """
    table, ratio = _table(), np.asarray(magnitude, np.float64) / sigma
    return np.where(ratio < TOP, np.interp(ratio, table.magnitude, table.value), _far(ratio))


def restore(stabilised: ArrayLike, sigma: float) -> NDArray[np.float64]:
    """The signal under a stabilised image without noise: the exact unbiased inverse.

    What is taken for the mean of the transform at a pixel becomes the signal that has this mean.
    So it undoes the bias of the transform, and that of Rician noise with it. Means that no signal
    has, as they are too low, become 0.

    Args:
        stabilised: As ``stabilise`` gave it, and denoised since.
        sigma: As it was stabilised with.

    Returns:
        The signal without noise, in the unit of ``sigma``.
    """
    table, mean = _table(), np.asarray(stabilised, np.float64)
    near = np.interp(mean, table.mean, table.signal)
    return sigma * np.where(mean < table.mean[-1], near, _far(mean))


def _far(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the transform, and its inverse, come to far above the noise."""
    return np.sqrt(np.maximum(values**2 - 0.5, 0))


@lru_cache(maxsize=1)
def _table() -> _Table:
    signal = np.concatenate([np.arange(0, 4, 0.025), np.arange(4, STRONG + 0.025, 0.05)])
    magnitude = np.linspace(0, TOP, 4001)
    centred = np.exp(-0.5 * (magnitude - signal[:, None]) ** 2)
    density = magnitude * centred * ive(0, magnitude * signal[:, None])  # of Rice, at sigma 1
    density /= density.sum(axis=1, keepdims=True)
    value = magnitude
    for _ in range(1 + ROUNDS):
        mean = density @ value
        deviation = np.sqrt(density @ value**2 - mean**2)
        slope = np.gradient(value, magnitude) / np.interp(value, mean, deviation)
        value = cumulative_trapezoid(slope, magnitude, initial=0)
    value += _far(magnitude[-1:]) - value[-1]
    return _Table(magnitude, value, signal, density @ value)
