"""A DICOM file taken apart by pydicom, within bounds; whatever goes wrong becomes one sentence."""

import os
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filereader import read_dataset, read_partial, read_preamble
from pydicom.uid import DeflatedExplicitVRLittleEndian, MediaStorageDirectoryStorage

from medclean.archive.limits import limits
from medclean.errors import DataError

INFLATED_HEADER = 1 << 24
"""Bytes of a deflated data set that are looked at where its pixels are not asked for."""

PIXELS: dict[int, Literal["integer", "float"]] = {
    0x7FE00008: "float",
    0x7FE00009: "float",
    0x7FE00010: "integer",
}
_FIRST_GROUPS = {b"\2\0", b"\0\2", b"\x08\0", b"\0\x08", b"\0\0"}  # in either byte order
_OURS = __name__.partition(".")[0]
_PANIC = "pyo3_runtime"  # where its only exception lives
_OF_DAMAGE = (  # RuntimeError is what compiled codecs raise
    ValueError,
    LookupError,
    ArithmeticError,
    EOFError,
    OSError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
)
_DEFERRED = 1 << 16  # larger values of a header are left in the file


class NotAnImage(Exception):
    """The file is none that this program reads, which is no failure; the message says why."""


class Directory(NotAnImage):
    """A DICOMDIR, which names files by their places and UIDs."""


class Parsed(NamedTuple):
    """A data set up to its pixels.

    Attributes:
        data: Its elements; their values are raw bytes still.
        pixels: ``"integer"``, ``"float"``, or ``""`` where no pixel data come.
        available: Bytes that the file has for them.
        size: Bytes of the file.
    """

    data: FileDataset
    pixels: Literal["integer", "float", ""]
    available: int
    size: int = 0


def parse_header(path: Path) -> Parsed:
    """Read a DICOM file up to its pixels, also one without preamble and file meta.

    Raises:
        NotAnImage: It is no DICOM file, or a DICOMDIR.
        DataError: It cannot be opened, or should be DICOM and cannot be parsed.
    """
    with opened_file(path) as file:
        marked = _is_marked(file)
        try:
            with one_reason("cannot be parsed"):
                parsed = _up_to_pixels(file)
        except DataError:
            if marked:
                raise
            raise NotAnImage("not DICOM") from None
    return parsed


def parse(path: Path) -> FileDataset:
    """Read all of a DICOM file.

    Raises:
        NotAnImage: As ``parse_header``.
        DataError: As ``parse_header``; or what is deflated is beyond its limit.
    """
    with opened_file(path) as file, one_reason("cannot be parsed"):
        _is_marked(file)
        most = limits().inflated
        head, content = _begun(file, most + 1)
        if content is None:
            file.seek(0)
            return read_partial(file, force=True)
        if content.getbuffer().nbytes > most:
            raise DataError(f"inflates to more than we take: {limits().passed('inflated')}")
        head.update(read_dataset(content, False, True))
        return head


@contextmanager
def one_reason(what: str) -> Iterator[None]:
    """Turn what damage makes pydicom and codecs raise in this block into a DataError.

    Its message has no tag values, which theirs may quote. Their warnings are dropped. A bug of ours
    is let through.

    Args:
        what: How the message begins: ``"cannot be parsed"``.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (DataError, NotAnImage):
            raise
        except RecursionError:
            raise DataError(
                f"{what}: its sequences are nested too deep, beyond all --limits"
            ) from None
        except MemoryError:
            raise DataError(f"{what}: it needs more memory than there is") from None
        except BaseException as error:
            if not is_damage(error):
                raise
            if isinstance(error, OSError) and error.errno:
                raise DataError(f"cannot be read: {os.strerror(error.errno).lower()}") from None
            raise DataError(f"{what} ({type(error).__name__}); is it damaged?") from None


def is_damage(error: BaseException) -> bool:
    """Whether damage of a file explains what was raised while it was read; else a bug of ours does.

    The line goes by where it was raised. Within pydicom and codecs, which trust a file more than we
    do, damage shows as anything: AttributeError and TypeError among them, and as a panic, which is
    no Exception, of codecs in Rust. In our own lines, and in what is compiled and called there, it
    shows as a value that does not fit; an unknown name or attribute or a wrong type is our bug.
    """
    within, trace = "", error.__traceback__
    while trace:
        within, trace = trace.tb_frame.f_globals.get("__name__", ""), trace.tb_next
    ours = within.partition(".")[0] == _OURS
    return type(error).__module__ == _PANIC or isinstance(error, _OF_DAMAGE if ours else Exception)


@contextmanager
def opened_file(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file, and only that: what became a named pipe meanwhile does not block."""
    try:
        file = open(os.fspath(path), "rb", opener=_without_waiting)  # noqa: SIM115  # closed below
    except OSError as error:
        raise DataError(f"cannot be opened: {os.strerror(error.errno or 0).lower()}") from None
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise NotAnImage("not a file")
        yield file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _is_marked(file: BinaryIO) -> bool:
    """Whether DICM stands at byte 128. A file without must at least begin as a data set does."""
    begin = file.read(132)
    file.seek(0)
    marked = begin[128:] == b"DICM"
    if not marked and (len(begin) < 8 or begin[:2] not in _FIRST_GROUPS):
        raise NotAnImage("not DICOM")
    return marked


def _up_to_pixels(file: BinaryIO) -> Parsed:
    head, content = _begun(file, INFLATED_HEADER)
    source = content or file
    begins: list[tuple[Literal["integer", "float"], int, int]] = []

    def at_pixels(tag: int, _: str | None, length: int) -> bool:
        if tag in PIXELS:
            begins.append((PIXELS[tag], source.tell(), length))
        return bool(begins)

    size = os.fstat(file.fileno()).st_size
    if content is None:
        file.seek(0)
        head = read_partial(file, at_pixels, _DEFERRED, force=True)
    else:
        head.update(read_dataset(content, False, True, stop_when=at_pixels))
    if not begins:
        if content and content.getbuffer().nbytes == INFLATED_HEADER:
            raise DataError(f"inflates to {INFLATED_HEADER >> 20} MiB before its pixels")
        if _is_cut(head) or file.tell() > size:  # beyond it: a large value was passed over
            raise DataError("is cut off before its pixels")
        return Parsed(head, "", 0, size)
    kind, value, length = begins[0]
    return Parsed(head, kind, length if content else min(length, size - value), size)


def _begun(file: BinaryIO, limit: int) -> tuple[FileDataset, BytesIO | None]:
    """File meta alone, and the inflated data set if it is a deflated one."""
    preamble = read_preamble(file, force=True)
    meta = FileMetaDataset(read_dataset(file, False, True, stop_when=_is_behind_meta))
    if _is_cut(meta):
        raise DataError("is cut off in its file meta information")
    if meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        raise Directory("a DICOMDIR; the files that it names are found without it")
    head = FileDataset("", {}, preamble, meta, False, True)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return head, None
    try:
        stream = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        return head, BytesIO(stream.decompress(file.read(limit), limit))
    except zlib.error:
        raise DataError("cannot be inflated; is it damaged?") from None


def _is_behind_meta(tag: int, _vr: str | None, _length: int) -> bool:
    return tag >> 16 != 2


def _is_cut(data: Dataset) -> bool:
    """Whether the file ends within the last value; pydicom takes what there is."""
    last = max(data.keys(), default=None)
    element = None if last is None else data.get_item(last, keep_deferred=True)
    return (
        isinstance(element, RawDataElement)
        and element.value is not None
        and len(element.value) < element.length != 0xFFFFFFFF
    )
