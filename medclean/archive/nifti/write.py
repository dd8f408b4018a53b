"""NIfTI out: other values in the file that they came from."""

import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from medclean.archive.derivation import Made, Role, Written
from medclean.archive.nifti.header import of_residual, read_header, unpacked_whole
from medclean.archive.nifti.names import SIDECARS, is_compressed, stem
from medclean.archive.nifti.read import read
from medclean.archive.numbers import Pixels, Stored, by_role
from medclean.archive.series import Series
from medclean.files import write_parts

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
    made = _made(root / series.instances[instance].path, stored)
    write_parts(to, made.parts)
    return made.written


def remade(
    root: Path,
    series: Series,
    instance: int,
    change: Callable[[Pixels], Stored],
    plans: Mapping[Role, object],
) -> dict[Role, Made]:
    """Read a file of a series and make what is derived from it.

    Args:
        root: As for ``write``; so are ``series`` and ``instance``.
        series: See there.
        instance: See there.
        change: Makes the new values.
        plans: As there, for each role.

    Raises:
        DataError: The source cannot be read.
    """
    path, pixels = root / series.instances[instance].path, read(root, series, instance)
    new = by_role(change(pixels), pixels, plans)
    return {role: _made(path, stored) for role, stored in new}


def of_complex(path: Path, images: NDArray[Any]) -> bytes:
    """The content of a file of complex values with others.

    Args:
        path: Of the source.
        images: ``(images, rows, columns)``, all of them in the order of the file.

    Raises:
        DataError: The source cannot be read again.
    """
    header = read_header(path, of_complex=True)
    raw = unpacked_whole(path, header)
    return _packed(path, raw[: header.offset], images.astype(header.dtype), raw[header.end :])


def _made(path: Path, stored: Stored) -> Made:
    header = read_header(path)
    raw = unpacked_whole(path, header)
    kind = stored.array.dtype.newbyteorder(header.dtype.byteorder)
    head = of_residual(raw[: header.offset], kind) if stored.denoised else raw[: header.offset]
    content = _packed(path, head, stored.array.astype(kind, copy=False), raw[header.end :])
    return Made.of([content], clamped=stored.clamped)


def _packed(path: Path, head: bytes, values: NDArray[Any], tail: bytes) -> bytes:
    """A whole file, compressed if its source is."""
    content = head + values.tobytes() + tail
    if not is_compressed(path):
        return content
    packer = zlib.compressobj(LEVEL, wbits=31)  # a gzip stream without name and time
    return packer.compress(content) + packer.flush()


def sidecars(root: Path, path: str) -> tuple[str, ...]:
    """What lies beside an image and belongs to it: .json, .bval, .bvec; relative like ``path``."""
    image = Path(path)
    beside = (image.with_name(stem(image) + ending).as_posix() for ending in SIDECARS)
    return tuple(name for name in beside if (root / name).is_file())
