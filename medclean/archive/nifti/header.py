"""What the header of a NIfTI file says, and what its sidecar adds."""

import gzip
import json
import zlib
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from medclean.archive.limits import limits
from medclean.archive.nifti.names import SIZES, is_compressed, stem
from medclean.archive.series import Affine
from medclean.errors import DataError

HEADERS = {SIZES[0]: (Nifti1Header, b"n+1\0"), SIZES[1]: (Nifti2Header, b"n+2\0")}  # with magic
ESTIMATE = 1001  # intent code: values that were estimated, with a name that says of what
MOST_COMPRESSED = 1032  # deflate cannot do better, so a header that claims more lies
_SIDECAR = 1 << 24  # bytes of a .json; real ones have some thousand
KINDS, KINDS_OF_COMPLEX = "iuf", "c"  # of data types
LARGEST = 8, 16  # bytes of a value, real or complex
TAIL = 1 << 20  # bytes after the values that are kept; a bomb has more


class NoImage(DataError):
    """The file is sound, and its values are nothing that can be denoised."""


@dataclass(frozen=True)
class Header:
    """The part of a header that the pixels need.

    Attributes:
        frames: Volumes in time; 1 where there is no fourth axis.
        positions: Length of the third stored axis: slices.
        rows: Of the second stored axis.
        columns: Of the first stored axis.
        dtype: Of the stored values, in the byte order of the file.
        offset: Where they begin, after header and extensions.
        slope: ``real = stored * slope + intercept``.
        intercept: In real-world units.
        affine: (slice, row, column, 1) to LPS in mm.
        intent: NIfTI's code of what the values are; 0 for an image.
    """

    frames: int
    positions: int
    rows: int
    columns: int
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    affine: Affine
    intent: int

    @property
    def images(self) -> int:
        """Slices of all frames."""
        return self.frames * self.positions

    @property
    def end(self) -> int:
        """Where the stored values end; what follows belongs to nobody, and is kept."""
        return self.offset + self.images * self.rows * self.columns * self.dtype.itemsize


def read_header(path: Path, *, of_complex: bool = False) -> Header:
    """Read and check the header of a file.

    Args:
        path: ``.nii`` or ``.nii.gz``.
        of_complex: Expect complex values, in place of real ones.

    Raises:
        DataError: No NIfTI, or one whose header contradicts itself or the file's size.
        NoImage: Complex values where they are not expected, or nothing else; colours; one axis,
            more than four.
    """
    header = _parse(unpacked(path, max(HEADERS)))
    columns, rows, positions, frames = _shape(header)
    dtype = _dtype(header, KINDS_OF_COMPLEX if of_complex else KINDS)
    slope, intercept = _scaling(header)
    if of_complex and (slope, intercept) != (1.0, 0.0):
        raise NoImage("complex values with a slope; expected them as they are")
    found = Header(
        frames,
        positions,
        rows,
        columns,
        dtype,
        int(header.get_data_offset()),
        slope,
        intercept,
        _affine(header),
        int(header["intent_code"]),
    )
    size = path.stat().st_size
    most = size * MOST_COMPRESSED if is_compressed(path) else size
    if not int(header["sizeof_hdr"]) <= found.offset <= found.end <= most:
        raise DataError(
            f"the header claims {found.end} bytes, the file has {size}; expected a whole file"
        )
    if found.end - found.offset > limits().pixels:
        claim = f"claims {found.end - found.offset >> 20} MiB of values"
        raise DataError(f"{claim}: {limits().passed('pixels')}")
    return found


def unpacked(path: Path, most: int) -> bytes:
    """The bytes of a file, decompressed where it is gzip, but not more than ``most``.

    Raises:
        DataError: The file cannot be read; or its gzip stream is damaged or ends early.
    """
    try:
        opener = gzip.open if is_compressed(path) else open
        with opener(path, "rb") as stream:
            content: bytes = stream.read(most)
            return content
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise DataError("the gzip stream is damaged; expected a whole .nii.gz") from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}") from None


def unpacked_whole(path: Path, header: Header) -> bytes:
    """The whole file, unpacked; its checksum is verified where it has one.

    Raises:
        DataError: See ``unpacked``; also where it is shorter than its header says, or much longer.
    """
    raw = unpacked(path, header.end + TAIL)
    if not header.end <= len(raw) < header.end + TAIL:
        length = f"{len(raw)} bytes" if len(raw) < header.end else "far more"
        raise DataError(f"{length} unpacked, the header announces {header.end}")
    return raw


def of_residual(head: bytes, dtype: np.dtype[Any]) -> bytes:
    """The header, with its extensions, of what was removed from an image.

    Data type and intercept are those of the differences, the slope is the image's. An intent,
    "estimate", says that this is no image; the range to display is left open.

    Args:
        head: All that stands before the values.
        dtype: Of the differences.
    """
    header = _parse(head)
    header.set_data_dtype(dtype)
    for field in ("scl_inter", "cal_min", "cal_max", "intent_p1", "intent_p2", "intent_p3"):
        header[field] = 0
    header["intent_code"], header["intent_name"] = ESTIMATE, b"residual"
    block: bytes = header.binaryblock
    return block + head[len(block) :]


def sidecar(path: Path) -> dict[str, Any]:
    """The JSON object beside a NIfTI file, as dcm2niix and BIDS write it; empty without one.

    Raises:
        DataError: The file is there and is no JSON object.
    """
    beside = path.with_name(stem(path) + ".json")
    if not beside.is_file():
        return {}
    if beside.stat().st_size > _SIDECAR:
        raise DataError(f"the .json beside it has more than {_SIDECAR >> 20} MiB; take it away")
    with suppress(ValueError, RecursionError):  # no JSON, no UTF-8; brackets without end
        stated = json.loads(beside.read_text(encoding="utf-8"))
        if isinstance(stated, dict):
            return stated
    raise DataError("the .json beside it is no JSON object; mend it or take it away")


def stored_values(raw: bytes, header: Header) -> NDArray[Any]:
    """``(images, rows, columns)`` in native byte order; image number = frame * positions + slice.

    Args:
        raw: The whole file, unpacked.
        header: Of that file.
    """
    count = header.images * header.rows * header.columns
    values = np.frombuffer(raw, header.dtype, count, header.offset)
    native = values.astype(header.dtype.newbyteorder("="), copy=False)
    return native.reshape(header.images, header.rows, header.columns)


def _parse(head: bytes) -> Any:
    for size, (kind, magic) in HEADERS.items():
        for order in "<>":
            if np.frombuffer(head[:4].ljust(4, b"\0"), order + "i4")[0] == size:
                if len(head) < size:
                    raise DataError(f"{len(head)} bytes long; expected a whole NIfTI header")
                header = kind(head[:size], endianness=order, check=False)
                if bytes(header["magic"])[:3] != magic[:3]:
                    raise DataError("no single-file NIfTI (magic n+1 or n+2)")
                return header
    raise DataError("has no NIfTI header, which begins with 348 or 540")


def _shape(header: Any) -> tuple[int, int, int, int]:
    axes = int(header["dim"][0])
    shape = tuple(int(length) for length in header["dim"][1 : axes + 1])
    if not 1 <= axes <= 7 or min(shape) < 1:
        raise DataError(f"axes of {shape}; expected positive lengths")
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    if not 2 <= len(shape) <= 4:
        raise NoImage(f"{len(shape)} axes; expected rows, columns, slices and at most time")
    if prod(shape) > 2**40:
        raise DataError(f"{prod(shape)} voxels; expected an image that fits into a machine")
    return (*shape, 1, 1)[:4]  # type: ignore[return-value]  # four


def _dtype(header: Any, kinds: str) -> np.dtype[Any]:
    try:
        dtype = header.get_data_dtype()
    except (HeaderDataError, KeyError):
        dtype = None
    if dtype is None or dtype.kind not in kinds or dtype.itemsize > LARGEST[dtype.kind == "c"]:
        raise NoImage(
            f"data type {int(header['datatype'])} (complex, colour, binary or beyond 64 bits); "
            "expected integers or floating-point numbers of 8 to 64 bits"
        )
    return np.dtype(dtype)


def _scaling(header: Any) -> tuple[float, float]:
    try:
        slope, intercept = header.get_slope_inter()
    except HeaderDataError:
        raise DataError("a slope without a finite intercept; expected both or none") from None
    return (1.0, 0.0) if slope is None else (float(slope), float(intercept or 0.0))


def _affine(header: Any) -> Affine:
    """From sform or qform, or from the voxel size where these are unusable; RAS to LPS."""
    try:
        ras = header.get_best_affine()
    except (HeaderDataError, np.linalg.LinAlgError, ValueError):
        ras = None
    if ras is None or not np.isfinite(ras).all() or np.linalg.det(ras[:3, :3]) == 0:
        sizes = [float(size) for size in header["pixdim"][1:4]]
        ras = np.diag([*(abs(size) if isfinite(size) and size else 1.0 for size in sizes), 1.0])
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ ras
    return tuple(tuple(float(x) for x in row) for row in lps[:, [2, 1, 0, 3]])
