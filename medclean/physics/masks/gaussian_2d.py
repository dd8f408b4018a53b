"""Points with Gaussian density."""

from dataclasses import dataclass

import numpy as np

from medclean.physics.masks._base import Pattern, fill, points, radii, spread
from medclean.volume import Mask


@dataclass(frozen=True)
class Gaussian2D(Pattern):
    """Points, the likelier the nearer to the middle: weights ``exp(-r^2 / 2 width^2)``.

    The 2-D masks of Yang et al., DAGAN, IEEE Transactions on Medical Imaging 37 (2018). ``r`` is 1
    in the middle of the edges of k-space. A scanner samples so with two phase-encoded axes.

    Attributes:
        width: Standard deviation of the density, as a share of half of k-space.
    """

    width: float = 0.35

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.width > 0:
            raise ValueError(f"width={self.width:g}, expected above 0")

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
        """Points of k-space ``(H, W)``, or readouts of ``(D, H, W)``."""
        plane = points(shape)
        weights = np.exp(-((radii(plane) / self.width) ** 2) / 2)
        count = self.of(weights.size)
        return spread(fill(self.middle(plane), count, weights, rng), shape)


PROVIDES = Gaussian2D
