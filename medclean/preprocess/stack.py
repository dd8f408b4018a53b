"""Slices of a volume that are made as they are asked for, so that no step needs all of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medclean.volume import Given, Image

SLAB = 16  # slices that a pass takes at a time

Affine = NDArray[np.float64]


class Stack(Protocol):
    """A volume in real-world units."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""

    @property
    def affine(self) -> Affine:
        """``(4, 4)``, (slice, row, column, 1) to patient coordinates (LPS) in mm."""

    def slab(self, start: int, stop: int) -> Image:
        """Slices from one place up to another, ``(stop - start, rows, columns)``."""


@dataclass(frozen=True, eq=False)
class Normalised:
    """A volume as an item of NORMALISERS makes it.

    Attributes:
        source: What it is made of.
        normaliser: The item.
        known: What is known about the slices from one place up to another.
    """

    source: Stack
    normaliser: Any
    known: Callable[[int, int], Given]

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.source.shape

    @property
    def affine(self) -> Affine:
        return self.source.affine

    def slab(self, start: int, stop: int) -> Image:
        images, _ = self.normaliser.forward(self.source.slab(start, stop), self.known(start, stop))
        return np.asarray(images, np.float32)


def slabs(stack: Stack, size: int = SLAB) -> Iterator[tuple[int, Image]]:
    """All slices, some at a time, with the place of the first."""
    for start in range(0, stack.shape[0], size):
        yield start, stack.slab(start, min(start + size, stack.shape[0]))


def spacing_of(affine: Affine) -> tuple[float, float, float]:
    """Of slices, rows and columns, in mm."""
    slices, rows, columns = (float(side) for side in np.linalg.norm(affine[:3, :3], axis=0))
    return slices, rows, columns
