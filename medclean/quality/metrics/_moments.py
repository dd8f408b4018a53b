"""Mean and standard deviation of regions, from sums over slices."""

from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medclean.volume import Mask


class Moments(NamedTuple):
    """Voxels of a region, and the sums of their values and of their squares."""

    voxels: float
    total: float
    squares: float

    @property
    def mean(self) -> float:
        """Of at least one voxel."""
        return self.total / self.voxels

    @property
    def deviation(self) -> float:
        """Standard deviation of at least two voxels; 0 for one."""
        if self.voxels < 2:
            return 0.0
        spread = self.squares - self.total * self.mean
        # What is left of large sums of equal values is rounding.
        return sqrt(spread / (self.voxels - 1)) if spread > 1e-12 * self.squares else 0.0


def moments(image: NDArray[Any], mask: Mask | None) -> Moments:
    """Of the voxels of a slice; all 0 where the mask is empty."""
    values = (image.ravel() if mask is None else image[mask]).astype(np.float64)
    return Moments(float(values.size), float(values.sum()), float(values @ values))
