"""Points with polynomial density."""

from dataclasses import dataclass

import numpy as np

from medclean.physics.masks._base import Pattern, fill, points, radii, spread
from medclean.volume import Mask


@dataclass(frozen=True)
class VariableDensity(Pattern):
    """Points with weights ``(1 - r)^power``, ``r`` from 0 in the middle to 1 in the corners.

    Lustig, Donoho and Pauly, Magnetic Resonance in Medicine 58 (2007).

    Attributes:
        power: How quickly the density falls from the middle, 0 (evenly) or more.
    """

    power: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.power < 0:
            raise ValueError(f"power={self.power:g}, expected 0 or more")

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
        """Points of k-space ``(H, W)``, or readouts of ``(D, H, W)``."""
        plane = points(shape)
        far = radii(plane)
        weights = (1 - far / (1.01 * (far.max() or 1))) ** self.power
        count = self.of(weights.size)
        return spread(fill(self.middle(plane), count, weights, rng), shape)


PROVIDES = VariableDensity
