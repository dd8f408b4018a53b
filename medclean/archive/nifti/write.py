"""NIfTI out: other values in the file that they came from."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclean.archive.derivation import Written
from medclean.archive.nifti.header import (
    SIDECARS,
    Header,
    is_compressed,
    read_header,
    stem,
    stored_values,
    unpacked_whole,
)
from medclean.archive.nifti.read import real_value
from medclean.archive.series import Series
from medclean.errors import DataError
from medclean.files import write_whole
from medclean.volume import Image

LEVEL = 6  # of zlib: the usual one


def write(
    root: Path, series: Series, instance: int, result: Image | None, plan: object, to: Path
) -> Written:
    """Write a file of a series with other values.

    All else is the source's, byte for byte: header, orientation, data type, slope, extensions,
    byte order, what follows the values. A value that is equal to the source's keeps the source's
    stored one; others are rounded half to even and clamped to the data type. The same values give
    the same file.

    Args:
        root: What the instance's path is relative to.
        series: As ``scan`` found it.
        instance: Index in ``series.instances``.
        result: ``(images, rows, columns)`` in real-world units; None for the source's values.
        plan: Not used: NIfTI has no place for provenance, which the manifest keeps.
        to: In a folder that exists.

    Raises:
        DataError: The source cannot be read again, or the result is not finite.
        WriteError: The file cannot be written.
    """
    path = root / series.instances[instance].path
    header = read_header(path)
    raw = unpacked_whole(path, header)
    stored, clamped = stored_values(raw, header), 0
    if result is not None:
        stored, clamped = encode(result, stored, header)
    values = stored.astype(header.dtype, copy=False).tobytes()
    content = raw[: header.offset] + values + raw[header.end :]
    if is_compressed(path):
        packer = zlib.compressobj(LEVEL, wbits=31)  # a gzip stream without name and time
        content = packer.compress(content) + packer.flush()
    return Written(write_whole(to, content, lasting=False), len(content), clamped=clamped)


def sidecars(root: Path, path: str) -> tuple[str, ...]:
    """What lies beside an image and belongs to it: .json, .bval, .bvec; relative like ``path``."""
    image = Path(path)
    beside = (image.with_name(stem(image) + ending).as_posix() for ending in SIDECARS)
    return tuple(name for name in beside if (root / name).is_file())


def copy(root: Path, path: str, to: Path) -> Written:
    """Copy a sidecar as it is.

    Raises:
        DataError: It cannot be read.
        WriteError: It cannot be written.
    """
    try:
        content = (root / path).read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    return Written(write_whole(to, content, lasting=False), len(content))


def encode(result: Image, stored: NDArray[Any], header: Header) -> tuple[NDArray[Any], int]:
    """Real-world values as stored ones, and how many had to be clamped.

    Args:
        result: ``(images, rows, columns)`` in real-world units.
        stored: What the source holds in their place.
        header: Of the source.

    Raises:
        DataError: A value is not finite, or the shapes differ.
    """
    if result.shape != stored.shape:
        raise DataError(f"a result of shape {result.shape} for an image of {stored.shape}")
    if not np.isfinite(result).all():
        raise DataError("the result holds NaN or infinity; nothing was written")
    encoded = stored.copy()
    low, high = _limits(stored.dtype)
    clamped = 0
    for image, source, into in zip(result, stored, encoded, strict=True):
        values = (image.astype(np.float64) - header.intercept) / header.slope
        if stored.dtype.kind in "iu":
            values = np.rint(values)
        changed = image != real_value(source, header)
        clamped += int(((values < low) | (values > high))[changed].sum())
        into[changed] = values.clip(low, high)[changed].astype(stored.dtype)
    return encoded, clamped


def _limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """What a type can store, as float64 values that do not round out of its range."""
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    high = float(limits.max)
    inside = high <= limits.max
    return float(limits.min), high if inside else float(np.nextafter(high, 0))
