"""Points that keep their distance."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy import ndimage

from medclean.physics.masks._base import Pattern, points, spread
from medclean.volume import Mask

FINER = 0.85  # from one distance to the next


@dataclass(frozen=True)
class PoissonDisc(Pattern):
    """Random points with no two closer than a distance, and all points in the middle.

    Points are thrown until no more fit at a distance, then at a smaller one, until there are
    enough: of the last distance as many as are missing (after McCool and Fiume, Hierarchical
    Poisson disk sampling distributions, 1992). So the count is exact, at any ratio.
    """

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
        """Points of k-space ``(H, W)``, or readouts of ``(D, H, W)``."""
        plane = points(shape)
        chosen = self.middle(plane)
        count = self.of(chosen.size)
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
