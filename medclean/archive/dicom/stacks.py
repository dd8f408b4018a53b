"""Whether the slices of a stack follow each other evenly, and at right angles."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

EVEN = 0.05  # share of the usual distance by which one may differ
MOST = 2 / 3  # of the distances make one the usual one
GAP = 1.5  # usual distances, from which on slices are missing
OFF = 0.1  # of a distance that a slice may lie off an even grid: rounding to 0.1 mm is less
SHEAR = 0.01  # mm that slices move aside a mm of height: half a degree

Vectors = NDArray[np.float64]


def missing(heights: Sequence[float]) -> dict[int, int]:
    """How many slices are missing behind which, of a stack that is even but for its gaps.

    Args:
        heights: Positions along the normal, in order, in mm.

    Returns:
        Number by index; empty also where no distance is the usual one.
    """
    steps = np.diff(np.asarray(heights, float))
    usual = _usual(steps)
    if usual is None:
        return {}
    return {int(i): max(1, round(steps[i] / usual) - 1) for i in np.nonzero(steps > GAP * usual)[0]}


def uneven(heights: Sequence[float]) -> bool:
    """Whether slices lie off the even grid that leads from the first of them to the last.

    Args:
        heights: Positions along the normal, in order, in mm; of slices without a gap.
    """
    grid, step = np.linspace(heights[0], heights[-1], len(heights), retstep=True)
    return len(heights) > 2 and bool(np.abs(heights - grid).max() > OFF * step)


def sheared(positions: Vectors, normal: Vectors) -> bool:
    """Whether slices move aside as they follow each other, as with a tilted gantry.

    Args:
        positions: ``(slices, 3)`` in mm, in order.
        normal: Unit vector.
    """
    between = positions[-1] - positions[0]
    height = float(between @ normal)
    return bool(np.linalg.norm(between - height * normal) > SHEAR * abs(height)) and height != 0


def _usual(steps: Vectors) -> float | None:
    """The distance of most slices; None where there is no such, and the only one of two."""
    if len(steps) < 2:
        return float(steps[0]) if len(steps) else None
    usual = float(np.median(steps))
    alike = np.abs(steps - usual) <= EVEN * usual
    return usual if np.count_nonzero(alike) >= MOST * len(steps) else None
