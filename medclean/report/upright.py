"""Slices as people look at them: left is the patient's right or front, up is front or head."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

A = TypeVar("A", bound=NDArray[Any])


def upright(image: A, affine: ArrayLike) -> A:
    """A slice ``(rows, columns)`` with each axis that runs the other way turned round.

    Args:
        image: Or a mask.
        affine: (slice, row, column, 1) to LPS in mm.
    """
    for axis in (0, 1):
        if _is_backwards(np.asarray(affine, float)[:3, axis + 1]):
            image = np.flip(image, axis)
    return image


def upright_affine(affine: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    """The affine of a slice's pixels once it is upright.

    Args:
        affine: (slice, row, column, 1) to LPS in mm.
        shape: Rows and columns.
    """
    turned = np.array(affine, float)
    for axis in (0, 1):
        if _is_backwards(turned[:3, axis + 1]):
            turned[:, 3] += (shape[axis] - 1) * turned[:, axis + 1]
            turned[:, axis + 1] *= -1
    return turned


def _is_backwards(axis: NDArray[np.float64]) -> bool:
    """Whether it leads right, to the front or up: left, back and down follow on a screen."""
    main = int(np.abs(axis).argmax())
    return bool(axis[main] > 0 if main == 2 else axis[main] < 0)
