"""Complex arrays as slices and coils."""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medclean.archive.limits import limits
from medclean.archive.series import Series
from medclean.errors import DataError

Coils: TypeAlias = NDArray[np.complexfloating[Any, Any]]


class NoCoils(DataError):
    """The file is sound, and holds nothing that coils could have measured."""


def read(root: Path, series: Series, instance: int) -> Coils:
    """The array of a file, ``(slices, coils, rows, columns)``; its values stay on the disk.

    Raises:
        DataError: It cannot be read, or a value is not finite.
    """
    array = coils_of(mapped(root / series.instances[instance].path))
    for number, one in enumerate(array):
        if not np.isfinite(one).all():
            raise DataError(f"slice {number} holds values that are no finite numbers")
    return array


def mapped(path: Path) -> Coils:
    """The array as it lies in the file: ``([slices,] [coils,] rows, columns)``.

    Raises:
        DataError: No array, or one that is cut off or empty.
        NoCoils: An array of other numbers, or with other axes.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError):
        raise DataError("is no array that can be read; expected .npy as NumPy saves it") from None
    if array.dtype.kind != "c" or not 2 <= array.ndim <= 4:
        raise NoCoils(
            f"an array {array.shape} of {array.dtype}; expected complex numbers, and the axes "
            "(rows, columns), (coils, rows, columns) or (slices, coils, rows, columns)"
        )
    if not array.size:
        raise DataError(f"is an array {array.shape} without a value")
    if array.nbytes > limits().pixels:
        raise DataError(f"holds {array.nbytes >> 20} MiB: {limits().passed('pixels')}")
    return array


def coils_of(array: Coils) -> Coils:
    """The same with all four axes."""
    return array.reshape((1,) * (4 - array.ndim) + array.shape)
