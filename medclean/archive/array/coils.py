"""What a file of complex numbers holds, whatever its format."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medclean.archive.limits import limits
from medclean.errors import DataError

Complex: TypeAlias = NDArray[np.complexfloating[Any, Any]]


class NoCoils(DataError):
    """The file is sound, and holds nothing that coils could have measured."""


@dataclass(frozen=True)
class Outline:
    """All but the values.

    Attributes:
        slices: Of one volume.
        coils: 1 where there is no such axis.
        rows: Along the phase encoding, where the file says which axis that is.
        columns: Along the readout, likewise.
        volumes: How many follow each other, slice by slice.
        shape: Of the images that are made of it.
        single: Images of no coils, or of one that counts as none: they stay complex.
        known: Which of the axes (slices, coils, rows, columns), counted from the end, are
            frequencies; None where the file does not say.
        apart: Slices can be had one by one.
    """

    slices: int
    coils: int
    rows: int
    columns: int
    volumes: int = 1
    shape: tuple[int, ...] = ()
    single: bool = False
    known: tuple[int, ...] | None = None
    apart: bool = True

    def check(self, dtype: "np.dtype[Any]") -> "Outline":
        """Itself, if the file has values, and not too many of this type.

        Raises:
            DataError: It has none, or more than the limit.
        """
        shape = (self.volumes * self.slices, self.coils, self.rows, self.columns)
        if not all(shape):
            raise DataError(f"is an array {shape} without a value")
        size = prod(shape) * dtype.itemsize
        if size > limits().pixels:
            raise DataError(f"holds {size >> 20} MiB: {limits().passed('pixels')}")
        return self


@dataclass(frozen=True, eq=False)
class Coils:
    """A file that is open.

    Attributes:
        outline: What it holds.
        take: Slices from one place up to another, counted through all volumes:
            ``(slices, coils, rows, columns)``.
    """

    outline: Outline
    take: Callable[[int, int], Complex]

    def part(self, first: int, last: int) -> Complex:
        """Slices from one place up to another, as complex64.

        Raises:
            DataError: A value is not finite, or cannot be read.
        """
        found = np.asarray(self.take(first, last), np.complex64)
        if not np.isfinite(found).all():
            raise DataError(f"slices {first} to {last - 1} hold values that are no finite numbers")
        return found
