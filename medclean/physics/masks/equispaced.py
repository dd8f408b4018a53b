"""Cartesian lines at equal distances."""

from dataclasses import dataclass

import numpy as np

from medclean.physics.masks._base import Pattern, lines
from medclean.volume import Mask


@dataclass(frozen=True)
class Equispaced(Pattern):
    """Whole readouts at equal distances from a random first, and all of those in the middle.

    The count is exact, so distances outside the middle differ by one line where they must.
    """

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
        """Lines of k-space ``(H, W)`` or ``(D, H, W)``; H is phase-encoded."""
        rows = self.middle(shape[-2:-1])
        free = np.flatnonzero(~rows)
        count = max(self.of(len(rows)) - int(rows.sum()), 0)
        if count:
            rows[free[((np.arange(count) + rng.random()) * len(free) / count).astype(int)]] = True
        return lines(rows, shape)


PROVIDES = Equispaced
