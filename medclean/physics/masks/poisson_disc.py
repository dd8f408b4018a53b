"""Points that keep their distance."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy import ndimage

from medclean.physics.masks._base import Amount, points, spread
from medclean.volume import Mask

FINER = 0.85  # from one distance to the next


@dataclass(frozen=True)
class PoissonDisc:
    """Random points with no two closer than a distance, and all points in the middle.

    Points are thrown until no more fit at a distance, then at a smaller one, until there are
    enough: of the last distance as many as are missing (after McCool and Fiume, Hierarchical
    Poisson disk sampling distributions, 1992). So the count is exact, at any ratio.

    Attributes:
        ratio: Share of k-space that is sampled, 0.01 to 0.9; 0.25 if neither this nor acceleration
            is given.
        acceleration: The inverse of ratio, instead of it.
        center: Share of k-space in the middle that is sampled whole; a tenth of ratio if not given.
    """

    ratio: float | None = None
    acceleration: float | None = None
    center: float | None = None

    def __post_init__(self) -> None:
        Amount(self.ratio, self.acceleration, self.center)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
        """Points of k-space ``(H, W)``, or readouts of ``(D, H, W)``."""
        amount, plane = Amount(self.ratio, self.acceleration, self.center), points(shape)
        chosen = amount.middle(plane)
        count = amount.of(chosen.size)
        distance = sqrt(chosen.size / count)  # more than so many points can keep: a start
        while (missing := count - int(chosen.sum())) > 0:
            more = np.flatnonzero(thrown(chosen, distance, rng) & ~chosen)
            chosen.flat[rng.permutation(more)[:missing]] = True
            distance *= FINER
        return spread(chosen, shape)


def thrown(chosen: Mask, distance: float, rng: np.random.Generator) -> Mask:
    """Chosen points, and as many more as fit at a distance from all.

    Each round takes those of the places still free that have the highest rank around them.
    """
    taken, around = chosen.copy(), 2 * int(distance) + 1
    rank = rng.permutation(chosen.size).reshape(chosen.shape) + 1
    while True:
        if taken.any():
            rank[ndimage.distance_transform_edt(~taken) < distance] = 0
        if not rank.any():
            return taken
        taken |= (rank > 0) & (rank == ndimage.maximum_filter(rank, around))


PROVIDES = PoissonDisc
