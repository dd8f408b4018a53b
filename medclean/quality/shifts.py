"""Where the mean of a slice moved: all over, or in one of its regions."""

from collections.abc import Iterator
from itertools import pairwise, product
from math import copysign, sqrt

import numpy as np

from medclean.volume import Image, Mask

GRID = 4  # regions along each side of a slice
FILLED = 0.25  # of a region must be asked about
DOUBT = 6.0  # sigma / sqrt(n): three standard errors of noise that is smooth over 2 pixels


def greatest(change: Image, pixels: Mask, *, least: float) -> tuple[float, int, int] | None:
    """The greatest mean change, less what chance explains, and the middle of its region.

    The slice as a whole is a region too: in more pixels a smaller shift can be told from chance.

    Args:
        change: ``(rows, columns)``, after - before.
        pixels: Where to look.
        least: So many pixels make a region of the slice as a whole.

    Returns:
        The shift, in the unit of the change and with its sign, 0 where chance explains all; row
        and column. None where no region has enough pixels.
    """
    found = []
    for rows, columns in _regions(change.shape):
        there = pixels[rows, columns]
        moved = change[rows, columns][there]
        if moved.size and moved.size >= (
            least if there.size == pixels.size else FILLED * there.size
        ):
            mean = float(moved.mean(dtype=np.float64))
            chance = DOUBT * float(moved.std(dtype=np.float64)) / sqrt(moved.size)
            beyond = copysign(max(abs(mean) - chance, 0.0), mean)
            found.append(
                (beyond, (rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2)
            )
    return max(found, key=lambda one: abs(one[0]), default=None)


def _regions(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """All of a slice, then the cells of a grid."""
    yield slice(0, shape[0]), slice(0, shape[1])
    rows, columns = ([length * n // GRID for n in range(GRID + 1)] for length in shape)
    for (top, bottom), (left, right) in product(pairwise(rows), pairwise(columns)):
        yield slice(top, bottom), slice(left, right)
