"""How much of k-space a mask samples, and how much of that in its middle."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medclean.volume import Mask

RATIO = 0.25  # where nothing is said
LOWEST, HIGHEST = 0.01, 0.9
CENTERS = {1: 1 / 3, 2: 1 / 10}  # of the samples: of lines fastMRI's 8 % at 4-fold; of points


@dataclass(frozen=True)
class Pattern:
    """A mask: how much of k-space is sampled, and how much of that whole in the middle.

    Attributes:
        ratio: Share of k-space that is sampled, 0.01 to 0.9; 0.25 if neither this nor acceleration
            is given.
        acceleration: The inverse of ratio, instead of it.
        center: Share of k-space in the middle that is sampled whole; if not given, of what is
            sampled a third of lines, a tenth of points.

    Raises:
        ValueError: Both ratio and acceleration are given, or a share is out of its range.
    """

    ratio: float | None = None
    acceleration: float | None = None
    center: float | None = None

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
        """What is sampled of k-space ``(H, W)`` or ``(D, H, W)``."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        if self.ratio is not None and self.acceleration is not None:
            raise ValueError("ratio and acceleration say the same thing; state one of them")
        if self.acceleration is not None and not self.acceleration > 0:
            raise ValueError(f"acceleration={self.acceleration:g}, expected above 1")
        if not LOWEST <= self.share <= HIGHEST:
            raise ValueError(
                f"ratio={self.share:g} of k-space, expected {LOWEST} to {HIGHEST} "
                f"(acceleration {1 / HIGHEST:.2g} to {1 / LOWEST:g})"
            )
        if self.center is not None and not 0 <= self.center <= self.share:
            raise ValueError(f"center={self.center:g}, expected 0 to the ratio, {self.share:g}")

    @property
    def share(self) -> float:
        """Of k-space."""
        if self.ratio is not None:
            return self.ratio
        return RATIO if self.acceleration is None else 1 / self.acceleration

    def of(self, size: int) -> int:
        """How many of this many places are sampled: at least one."""
        return max(1, round(self.share * size))

    def middle(self, shape: tuple[int, ...]) -> Mask:
        """The block in the middle that is sampled whole; at least the zero frequency."""
        share = CENTERS[len(shape)] * self.share if self.center is None else self.center
        block = np.zeros(shape, bool)
        if share > 0:
            sides = [max(1, round(n * share ** (1 / len(shape)))) for n in shape]
            if np.prod(sides) > self.of(block.size):  # by rounding
                sides = [1] * len(shape)
            first = [n // 2 - side // 2 for n, side in zip(shape, sides, strict=True)]
            block[tuple(slice(a, a + side) for a, side in zip(first, sides, strict=True))] = True
        return block


def fill(chosen: Mask, count: int, weights: NDArray[np.float64], rng: np.random.Generator) -> Mask:
    """Add places up to this many, drawn without putting back, in proportion to weights above 0.

    The largest of ``log(weight)`` plus Gumbel noise are such a draw (Efraimidis and Spirakis,
    Information Processing Letters 97, 2006).
    """
    keys = np.log(weights) + rng.gumbel(size=chosen.shape)
    keys[chosen] = np.inf
    order = np.argsort(-keys, axis=None, kind="stable")
    filled = np.zeros(chosen.size, bool)
    filled[order[: max(count, int(chosen.sum()))]] = True
    return filled.reshape(chosen.shape)


def lines(rows: Mask, shape: tuple[int, ...]) -> Mask:
    """A mask of whole readouts, from what is sampled along the axis before the last."""
    return np.broadcast_to(rows[:, None], shape).copy()


def points(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The plane in which points are chosen: both axes of a slice, the first two of a volume."""
    return shape[:2]


def spread(plane: Mask, shape: tuple[int, ...]) -> Mask:
    """A mask of a slice as it is, of a volume with each point a whole readout."""
    return plane if len(shape) == 2 else np.broadcast_to(plane[..., None], shape).copy()


def along(arms: Iterable[NDArray[np.float64]], chosen: Mask, count: int) -> Mask:
    """Add places in the order in which arms meet them, until there are so many.

    Args:
        arms: Points ``(2, T)`` each, 0 in the middle and 1 at the middle of an edge; without end.
        chosen: ``(H, W)``, what is sampled before.
        count: How many in all.
    """
    shape, flat = chosen.shape, chosen.flatten()
    missing = count - int(flat.sum())
    for arm in arms:
        if missing <= 0:
            break
        places = [
            n // 2 + np.rint(axis * n / 2).astype(int) for n, axis in zip(shape, arm, strict=True)
        ]
        inside = np.all([(i >= 0) & (i < n) for i, n in zip(places, shape, strict=True)], axis=0)
        met = np.ravel_multi_index([i[inside] for i in places], shape)
        met = met[~flat[met]]
        first = np.sort(np.unique(met, return_index=True)[1])
        flat[met[first[:missing]]] = True
        missing -= len(first)
    return flat.reshape(shape)


def radii(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Distance of each place from the zero frequency; 1 at the middle of an edge."""
    axes = [(np.arange(n) - n // 2) / max(n / 2, 1) for n in shape]
    return np.sqrt(sum(np.square(axis) for axis in np.ix_(*axes)))
