"""Arrays of the cache: ``.npy`` files that are mapped into memory."""

from collections.abc import Iterable
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def save(path: Path, array: Floats) -> None:
    """Write an array.

    Raises:
        OSError: It cannot be written; ``errno`` says why, which that of ``np.save`` does not.
    """
    _write(path, array.shape, array)


def room(path: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.float32]]:
    """An array on disk to be filled, which holds its room: a map cannot say that there is none.

    Raises:
        OSError: There is not enough.
    """
    _write(path, shape, repeat(np.zeros(shape[1:], np.float32), shape[0]))
    return npy.open_memmap(path, mode="r+")


@cache
def mapped(path: Path) -> Floats:
    """An array, read as far as it is used; one map a process, so that workers share the pages."""
    return np.load(path, mmap_mode="r")


def _write(path: Path, shape: tuple[int, ...], planes: Iterable[Floats]) -> None:
    about = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, about)
        for plane in planes:
            file.write(np.ascontiguousarray(plane, "<f4").data)
