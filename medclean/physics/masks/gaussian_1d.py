"""Cartesian lines with Gaussian density."""

from dataclasses import dataclass

import numpy as np

from medclean.physics.masks._base import Pattern, fill, lines, radii
from medclean.volume import Mask


@dataclass(frozen=True)
class Gaussian1D(Pattern):
    """Whole readouts, the likelier the nearer to the middle: weights ``exp(-r^2 / 2 width^2)``.

    The 1-D masks of Yang et al., DAGAN, IEEE Transactions on Medical Imaging 37 (2018). ``r`` is 1
    at the edge of k-space.

    Attributes:
        width: Standard deviation of the density, as a share of half of k-space.
    """

    width: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.width > 0:
            raise ValueError(f"width={self.width:g}, expected above 0")

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
        """Lines of k-space ``(H, W)`` or ``(D, H, W)``; H is phase-encoded."""
        size = shape[-2:-1]
        weights = np.exp(-((radii(size) / self.width) ** 2) / 2)
        return lines(fill(self.middle(size), self.of(*size), weights, rng), shape)


PROVIDES = Gaussian1D
