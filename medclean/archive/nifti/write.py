"""NIfTI out: other values in the file that they came from."""

import zlib
from pathlib import Path

from medclean.archive.derivation import Written
from medclean.archive.nifti.header import (
    SIDECARS,
    is_compressed,
    of_residual,
    read_header,
    stem,
    unpacked_whole,
)
from medclean.archive.numbers import Stored
from medclean.archive.series import Series
from medclean.files import write_whole

LEVEL = 6  # of zlib: the usual one


def write(
    root: Path, series: Series, instance: int, stored: Stored, plan: object, to: Path
) -> Written:
    """Write a file of a series with other values.

    All else is the source's, byte for byte: header, orientation, data type, slope, extensions,
    byte order, what follows the values. The same values give the same file. A residual says that
    it is one: see ``header.of_residual``.

    Args:
        root: What the instance's path is relative to.
        series: As ``scan`` found it.
        instance: Index in ``series.instances``.
        stored: Its new values, or what was removed from them.
        plan: Not used: NIfTI has no place for provenance, which the manifest keeps.
        to: In a folder that exists.

    Raises:
        DataError: The source cannot be read again.
        WriteError: The file cannot be written.
    """
    path = root / series.instances[instance].path
    header = read_header(path)
    raw = unpacked_whole(path, header)
    kind = stored.array.dtype.newbyteorder(header.dtype.byteorder)
    values = stored.array.astype(kind, copy=False).tobytes()
    head = of_residual(raw[: header.offset], kind) if stored.denoised else raw[: header.offset]
    content = head + values + raw[header.end :]
    if is_compressed(path):
        packer = zlib.compressobj(LEVEL, wbits=31)  # a gzip stream without name and time
        content = packer.compress(content) + packer.flush()
    return Written(write_whole(to, content, lasting=False), len(content), clamped=stored.clamped)


def sidecars(root: Path, path: str) -> tuple[str, ...]:
    """What lies beside an image and belongs to it: .json, .bval, .bvec; relative like ``path``."""
    image = Path(path)
    beside = (image.with_name(stem(image) + ending).as_posix() for ending in SIDECARS)
    return tuple(name for name in beside if (root / name).is_file())
