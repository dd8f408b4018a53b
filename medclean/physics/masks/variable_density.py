"""Points with polynomial density."""

from dataclasses import dataclass

import numpy as np

from medclean.physics.masks._base import Amount, fill, points, radii, spread
from medclean.volume import Mask


@dataclass(frozen=True)
class VariableDensity:
    """Points with weights ``(1 - r)^power``, ``r`` from 0 in the middle to 1 in the corners.

    Lustig, Donoho and Pauly, Magnetic Resonance in Medicine 58 (2007).

    Attributes:
        ratio: Share of k-space that is sampled, 0.01 to 0.9; 0.25 if neither this nor acceleration
            is given.
        acceleration: The inverse of ratio, instead of it.
        center: Share of k-space in the middle that is sampled whole; a tenth of ratio if not given.
        power: How quickly the density falls from the middle, 0 (evenly) or more.
    """

    ratio: float | None = None
    acceleration: float | None = None
    center: float | None = None
    power: float = 4.0

    def __post_init__(self) -> None:
        Amount(self.ratio, self.acceleration, self.center)
        if self.power < 0:
            raise ValueError(f"power={self.power:g}, expected 0 or more")

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
        """Points of k-space ``(H, W)``, or readouts of ``(D, H, W)``."""
        amount, plane = Amount(self.ratio, self.acceleration, self.center), points(shape)
        far = radii(plane)
        weights = (1 - far / (1.01 * (far.max() or 1))) ** self.power
        count = amount.of(weights.size)
        return spread(fill(amount.middle(plane), count, weights, rng), shape)


PROVIDES = VariableDensity
