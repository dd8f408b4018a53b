"""Cartesian lines at random."""

from dataclasses import dataclass

import numpy as np

from medclean.physics.masks._base import Amount, fill, lines
from medclean.volume import Mask


@dataclass(frozen=True)
class CartesianRandom:
    """Whole readouts, each of the others as likely as the next, and all of those in the middle.

    Zbontar et al., fastMRI, arXiv 1811.08839 (2018), with an exact count.

    Attributes:
        ratio: Share of k-space that is sampled, 0.01 to 0.9; 0.25 if neither this nor acceleration
            is given.
        acceleration: The inverse of ratio, instead of it.
        center: Share of k-space in the middle that is sampled whole; a third of ratio if not given.
    """

    ratio: float | None = None
    acceleration: float | None = None
    center: float | None = None

    def __post_init__(self) -> None:
        Amount(self.ratio, self.acceleration, self.center)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
        """Lines of k-space ``(H, W)`` or ``(D, H, W)``; H is phase-encoded."""
        amount = Amount(self.ratio, self.acceleration, self.center)
        size = shape[-2:-1]
        rows = fill(amount.middle(size), amount.of(*size), np.ones(size), rng)
        return lines(rows, shape)


PROVIDES = CartesianRandom
