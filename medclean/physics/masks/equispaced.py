"""Cartesian lines at equal distances."""

from dataclasses import dataclass

import numpy as np

from medclean.physics.masks._base import Amount, lines
from medclean.volume import Mask


@dataclass(frozen=True)
class Equispaced:
    """Whole readouts at equal distances from a random first, and all of those in the middle.

    The count is exact, so distances outside the middle differ by one line where they must.

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
        rows = amount.middle(shape[-2:-1])
        free = np.flatnonzero(~rows)
        count = max(amount.of(len(rows)) - int(rows.sum()), 0)
        if count:
            rows[free[((np.arange(count) + rng.random()) * len(free) / count).astype(int)]] = True
        return lines(rows, shape)


PROVIDES = Equispaced
