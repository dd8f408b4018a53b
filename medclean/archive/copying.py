"""A file copied as it is."""

from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from medclean.errors import DataError
from medclean.files import writing

_BLOCK = 1 << 20


def copy(root: Path, path: str, to: Path) -> tuple[str, int]:
    """Copy a file byte by byte; returns the SHA-256 and the size of what was copied.

    Args:
        root: What its path is relative to.
        path: Of a regular file of any size.
        to: In a folder that exists.

    Raises:
        DataError: It cannot be read.
        WriteError: It cannot be written.
    """
    digest, size = sha256(), 0
    try:
        source = open(root / path, "rb")  # noqa: SIM115  # closed below
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    with source, writing(to, lasting=False) as file:
        while block := _read(source, path):
            file.write(block)
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def _read(source: BinaryIO, path: str) -> bytes:
    try:
        return source.read(_BLOCK)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
