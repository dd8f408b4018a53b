"""What a file says of itself up to its pixels: taken from its bytes, or by pydicom if they are odd.

Most files are as the standard has them, and their elements are found as spans of bytes in a
fraction of the time that pydicom takes. Any other is left to pydicom, which decides what it is.
"""

import os
import struct
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from mmap import mmap
from pathlib import Path
from typing import Literal, NamedTuple

from pydicom.uid import (
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from medclean.archive.dicom.elements import VRS, Elements, tag_of
from medclean.archive.dicom.facts import as_texts, facts
from medclean.archive.dicom.modality_lut import has_lut
from medclean.archive.dicom.parse import PIXELS, Parsed, one_reason, opened_file, parse_header
from medclean.archive.dicom.transcode import Opened
from medclean.archive.dicom.values import Spanned, Values, texts, values
from medclean.archive.selection import Facts, Key
from medclean.errors import DataError

_LOOKED_AT = (1 << 16, 1 << 19, 1 << 22)  # bytes in which the pixels should begin
_MARKED = 132  # first byte behind DICM
_TAKEN = frozenset(AllTransferSyntaxes) - {DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian}


class Glance(NamedTuple):
    """What a file says, whoever took it apart.

    Attributes:
        values: Of its data set.
        meta: Text of its file meta information, by keyword.
        marked: DICM stands at byte 128.
        makers: Manufacturer of each item of Contributing Equipment Sequence.
        has_lut: A table says what stored values mean, in place of slope and intercept.
        pixels: ``"integer"``, ``"float"``, or ``""`` where no pixel data come.
        available: Bytes that the file has for them.
        size: Bytes of the file.
        told: What stands under tags that a selection names.
    """

    values: Values
    meta: Callable[[str], str]
    marked: bool
    makers: tuple[str, ...]
    has_lut: bool
    pixels: Literal["integer", "float", ""]
    available: int
    size: int
    told: Callable[[Sequence[int]], Facts]


def glance(path: Path, tags: Sequence[int] = ()) -> Glance:
    """Read a file up to its pixels.

    Args:
        path: Of the file.
        tags: That will be asked for.

    Raises:
        NotAnImage: It is no DICOM file, or a DICOMDIR.
        DataError: It cannot be opened, or should be DICOM and cannot be parsed.
    """
    return _glanced(path, tags) or glance_of(parse_header(path))


def glance_of(parsed: Parsed) -> Glance:
    """What pydicom found.

    Raises:
        DataError: A sequence cannot be parsed.
    """
    data, meta = parsed.data, parsed.data.file_meta
    makers: tuple[str, ...] = ()
    if "ContributingEquipmentSequence" in data:
        with one_reason("cannot be parsed"):
            items = data.ContributingEquipmentSequence
            makers = tuple(str(item.get("Manufacturer")) for item in items)
    return Glance(
        values(data),
        lambda keyword: str(meta.get(keyword) or "").strip(" \0"),
        data.preamble is not None,
        makers,
        has_lut(data),
        parsed.pixels,
        parsed.available,
        parsed.size,
        partial(facts, data),
    )


def taken_apart(data: bytes | mmap) -> tuple[Glance, Opened] | None:
    """Take a whole file apart by its bytes; None where that takes a closer look."""
    opened = _opened(data, len(data), stop=())
    if opened is None:
        return None
    span = opened.elements.spans.get(tag_of("PixelData"))
    held = span.stop - span.value if span else 0
    found = _glance(opened, "integer" if held else "", held, len(data))
    return found and (found, opened)


def _glanced(path: Path, tags: Sequence[int] = ()) -> Glance | None:
    """What the beginning of a file says, if the pixels begin in it."""
    with opened_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        for length in _LOOKED_AT:
            try:
                return _until_pixels(os.pread(file.fileno(), length, 0), size, tags)
            except struct.error:  # the beginning ends within an element
                continue
    return None


def _until_pixels(data: bytes, size: int, tags: Sequence[int]) -> Glance | None:
    opened = _opened(data, size, stop=PIXELS)
    if opened is None:
        return None
    begin = opened.elements
    asked = [begin.spans[tag] for tag in tags if tag in begin.spans]
    if any(span.end > span.stop for span in asked):  # a sequence, which only pydicom puts as text
        return None
    if begin.end + 8 > size:
        return _glance(opened, "", 0, size)
    tag, _, value, length = replace(begin, end=size).head(begin.end)
    return _glance(opened, PIXELS[tag], min(length, size - value), size)


def _opened(data: bytes | mmap, size: int, *, stop: Collection[int]) -> Opened | None:
    """A file, up to an element with one of some tags, if all of it is as the standard has it.

    Args:
        data: The file, or its beginning.
        size: Bytes of the file.
        stop: Tags.

    Raises:
        struct.error: The beginning is too short.
    """
    if data[128:_MARKED] != b"DICM":
        return None
    try:
        meta = Elements(data, _MARKED, size).before(0x00030000)
        syntax, letters = meta.text("TransferSyntaxUID"), data[meta.end + 4 : meta.end + 6]
        explicit = syntax != ImplicitVRLittleEndian
        if syntax not in _TAKEN or letters.isalpha() != explicit:
            return None
        elements = Elements(data, meta.end, size, explicit).until(stop)
    except DataError:
        return None
    several = b"\\" in data[_MARKED : meta.end]
    directory = meta.text("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage
    regular = _is_regular(meta, 2, 2) and _is_regular(elements, 4, 0xFFFC)
    return Opened(meta, elements, syntax) if regular and not several and not directory else None


def _glance(
    opened: Opened, pixels: Literal["integer", "float", ""], available: int, size: int
) -> Glance | None:
    elements = opened.elements
    try:
        equipment = elements.items("ContributingEquipmentSequence")
        makers = tuple(item.text("Manufacturer") for item in equipment)
    except DataError:
        return None
    lut = bool(elements.value("ModalityLUTSequence"))
    found, told = Spanned(elements), partial(_told, opened)
    return Glance(found, opened.meta.text, True, makers, lut, pixels, available, size, told)


def _told(opened: Opened, tags: Sequence[int]) -> Facts:
    """As ``facts.facts``, of a file taken apart."""
    charset = list(texts(Spanned(opened.elements), "SpecificCharacterSet")) or [""]
    found: dict[Key, tuple[str, ...]] = {}
    for tag in tags:
        within = opened.meta if tag >> 16 == 2 else opened.elements
        if tag in within:
            vr, value = within.spans[tag].vr or None, within.value(tag)
            found[tag] = as_texts(vr, value, tag, little=True, charset=charset)
    return found


def _is_regular(part: Elements, first: int, last: int) -> bool:
    """Whether all groups are as expected, and all VRs (where they are written) are known ones."""
    spans = part.spans
    if not spans:
        return False
    if not first <= min(spans) >> 16 or not max(spans) >> 16 <= last:
        return False
    return all(span.vr in VRS for span in spans.values()) == part.explicit
