"""NIfTI files made anew: nothing in them but voxels, and where these lie."""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from numpy.typing import ArrayLike, NDArray

from medclean.errors import DataError
from medclean.files import writing

LEVEL = 4  # of zlib: as small as 6 on images, in a third of its time
LABEL = 1002  # intent code: the values are classes, not intensities
_LARGEST = (1 << 15) - 1  # length of an axis of NIfTI-1
_MM_SECONDS = 2 | 8  # xyzt_units
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # RAS to LPS, and back


@contextmanager
def creating(
    path: Path,
    shape: tuple[int, int, int],
    dtype: "np.dtype[Any]",
    affine: ArrayLike,
    *,
    slope: float = 1.0,
    intercept: float = 0.0,
    in_time: bool = False,
    intent: int = 0,
) -> Iterator[Callable[[NDArray[Any]], None]]:
    """Write a ``.nii.gz``, slab by slab; the same values give the same file.

    Args:
        path: In a folder that exists; the file gets its name once it is whole.
        shape: Slices, rows and columns.
        dtype: Of the stored values.
        affine: ``(4, 4)``, (slice, row, column, 1) to LPS in mm; also one that is sheared.
        slope: ``real = stored * slope + intercept``.
        intercept: In real-world units.
        in_time: The slices follow each other in time, at one position.
        intent: NIfTI's code of what the values are; 0 for an image.

    Yields:
        What takes the next slab, ``(some, rows, columns)``, of the data type.

    Raises:
        DataError: NIfTI has no such data type.
        WriteError: It cannot be written.
    """
    head = _head(shape, dtype, affine, (slope, intercept), in_time=in_time, intent=intent)
    packer = zlib.compressobj(LEVEL, wbits=31)  # a gzip stream without name and time
    with writing(path, lasting=False) as file:
        file.write(packer.compress(head))

        def put(slab: NDArray[Any]) -> None:
            file.write(packer.compress(slab.astype(dtype.newbyteorder("<"), "C", copy=False).data))

        yield put
        file.write(packer.flush())


def _head(
    shape: tuple[int, int, int],
    dtype: "np.dtype[Any]",
    affine: ArrayLike,
    scaling: tuple[float, float],
    *,
    in_time: bool,
    intent: int,
) -> bytes:
    """Header and the four bytes that say that no extension follows."""
    slices, rows, columns = shape
    kind = Nifti1Header if max(shape) <= _LARGEST else Nifti2Header
    header = kind(endianness="<")
    try:
        header.set_data_dtype(dtype)
    except Exception as error:  # nibabel's own
        raise DataError(f"has values of type {dtype}, which NIfTI does not have") from error
    header.set_data_shape((columns, rows, 1, slices) if in_time else (columns, rows, slices))
    ras = _LPS @ np.asarray(affine, float)[:, [2, 1, 0, 3]]
    header.set_sform(ras, code=1)
    if _is_orthogonal(ras[:3, :3]):
        header.set_qform(ras, code=1)
    else:  # a quaternion cannot say it; the sides of a voxel it can
        header["pixdim"][1:4] = np.linalg.norm(ras[:3, :3], axis=0)
    if scaling != (1.0, 0.0):
        header.set_slope_inter(*scaling)
    header["xyzt_units"], header["intent_code"] = _MM_SECONDS, intent
    header["vox_offset"] = header["sizeof_hdr"] + 4
    block: bytes = header.binaryblock
    return block + bytes(4)


def _is_orthogonal(axes: NDArray[np.float64]) -> bool:
    unit = axes / np.linalg.norm(axes, axis=0)
    return bool(np.abs(unit.T @ unit - np.eye(3)).max() < 1e-4)
