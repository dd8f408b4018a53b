"""Cartesian lines at random."""

from dataclasses import dataclass

import numpy as np

from medclean.physics.masks._base import Pattern, fill, lines
from medclean.volume import Mask


@dataclass(frozen=True)
class CartesianRandom(Pattern):
    """Whole readouts, each of the others as likely as the next, and all of those in the middle.

    Zbontar et al., fastMRI, arXiv 1811.08839 (2018), with an exact count.
    """

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
        """Lines of k-space ``(H, W)`` or ``(D, H, W)``; H is phase-encoded."""
        size = shape[-2:-1]
        rows = fill(self.middle(size), self.of(*size), np.ones(size), rng)
        return lines(rows, shape)


PROVIDES = CartesianRandom
