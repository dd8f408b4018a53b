"""Complex numbers as slices and coils, whatever file they are in; values stay on the disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from medclean.archive.array import hdf5
from medclean.archive.array.coils import Coils, NoCoils, Outline
from medclean.archive.nifti.names import is_nifti
from medclean.archive.series import Series
from medclean.errors import DataError


def read(root: Path, series: Series, instance: int) -> Outline:
    """Read one file of a series once from its begin to its end.

    Raises:
        DataError: It cannot be read, or a value is not finite.
    """
    with opened(root / series.instances[instance].path) as coils:
        about = coils.outline
        for place in range(about.volumes):
            coils.part(place * about.slices, (place + 1) * about.slices)
    return about


def outline(root: Path, series: Series) -> Outline:
    """What a file holds, by its header; can run in a worker."""
    with opened(root / series.instances[0].path) as coils:
        return coils.outline


@contextmanager
def opened(path: Path) -> Iterator[Coils]:
    """A file of complex numbers, open as long as the block lasts.

    Raises:
        DataError: No array, or one that is cut off or empty.
        NoCoils: An array of other numbers, or with other axes.
        MissingError: The package that reads such files is not installed.
    """
    if hdf5.takes(path.name):
        with hdf5.opened(path) as coils:
            yield coils
    elif is_nifti(path):
        yield _nifti(path)
    else:
        yield _npy(path)


def _npy(path: Path) -> Coils:
    """``(rows, columns)``, ``(coils, rows, columns)`` or ``(slices, coils, rows, columns)``."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError):
        raise DataError("is no array that can be read; expected .npy as NumPy saves it") from None
    if array.dtype.kind != "c" or not 2 <= array.ndim <= 4:
        raise NoCoils(
            f"an array {array.shape} of {array.dtype}; expected complex numbers, and the axes "
            "(rows, columns), (coils, rows, columns) or (slices, coils, rows, columns)"
        )
    slices, coils, rows, columns = (1,) * (4 - array.ndim) + array.shape
    shape = (rows, columns) if array.ndim < 4 else (slices, rows, columns)
    about = Outline(slices, coils, rows, columns, shape=shape, single=array.ndim == 2)
    whole = array.reshape(slices, coils, rows, columns)
    return Coils(about.check(array.dtype), lambda first, last: whole[first:last])


def _nifti(path: Path) -> Coils:
    """Complex images, which have no coils."""
    from medclean.archive.nifti.header import read_header, stored_values, unpacked_whole

    header = read_header(path, of_complex=True)
    about = Outline(
        header.positions,
        1,
        header.rows,
        header.columns,
        volumes=header.frames,
        shape=(header.images, header.rows, header.columns),
        single=True,
        known=(),
        apart=False,
    )
    raw = unpacked_whole(path, header)
    values = stored_values(raw, header)[:, None]
    return Coils(about, lambda first, last: values[first:last])
