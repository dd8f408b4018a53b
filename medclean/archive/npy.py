"""Files of NumPy arrays (``.npy``): written part by part, looked into without being loaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from medclean.archive.derivation import Written
from medclean.files import writing


def head(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """The header of a file: version 1.0, little-endian, C order."""
    made = BytesIO()
    descr = np.lib.format.dtype_to_descr(dtype.newbyteorder("<"))
    about = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(made, about)
    return made.getvalue()


def whole(array: NDArray[Any]) -> bytes:
    """The content of a file."""
    flat = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return head(array.shape, array.dtype) + flat.tobytes()


class Growing:
    """A file that is being written.

    Args:
        file: Where to.
        dtype: Of the array.
    """

    def __init__(self, file: BinaryIO, dtype: np.dtype[Any]) -> None:
        self._file, self._dtype = file, dtype.newbyteorder("<")
        self._hash, self._size = sha256(), 0

    def append(self, part: NDArray[Any]) -> None:
        """The next values, of any shape."""
        self.put(np.ascontiguousarray(part, self._dtype).tobytes())

    def put(self, content: bytes) -> None:
        """The next bytes."""
        self._file.write(content)
        self._hash.update(content)
        self._size += len(content)

    @property
    def written(self) -> Written:
        """What became of it."""
        return Written(self._hash.hexdigest(), self._size)


@contextmanager
def growing(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[Growing]:
    """A file that gets its name when all of its array has been appended.

    Args:
        path: In a folder that exists.
        shape: Of the array.
        dtype: Likewise.

    Raises:
        WriteError: It cannot be written.
    """
    with writing(path, lasting=False) as file:
        made = Growing(file, dtype)
        made.put(head(shape, dtype))
        yield made
