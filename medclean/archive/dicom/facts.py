"""What a header says under tags that a selection names, as texts to be compared."""

from collections.abc import Sequence
from struct import iter_unpack
from typing import Any

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.valuerep import TEXT_VR_DELIMS

from medclean.archive.selection import Facts, Key

_FORMATS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_DIGITS = {"FL": 7}  # that a number of this VR has; what follows is noise of its conversion


def facts(data: FileDataset, tags: Sequence[int]) -> Facts:
    """The values of some elements at the top level; what is absent or no text is left out.

    Args:
        data: A data set just read, with its file meta information.
        tags: Those that are wanted.
    """
    found: dict[Key, tuple[str, ...]] = {}
    for tag in tags:
        within = data.file_meta if tag >> 16 == 2 else data
        if tag in within:
            found[tag] = _texts(within.get_item(tag), data)
    return found


def _texts(element: RawDataElement | DataElement, data: Dataset) -> tuple[str, ...]:
    if isinstance(element, DataElement):  # pydicom had need of it itself
        return tuple(str(element.value).split("\\"))
    stated = data.get("SpecificCharacterSet") or ""
    return as_texts(
        element.VR,
        element.value or b"",
        element.tag,
        little=element.is_little_endian,
        charset=[stated] if isinstance(stated, str) else list(stated),
    )


def as_texts(
    vr: str | None, value: bytes, tag: int, *, little: bool, charset: list[str]
) -> tuple[str, ...]:
    """The values of one element, without their padding.

    Args:
        vr: As written; None where the file does not write it.
        value: Its bytes.
        tag: Its place in the dictionary, which knows the VR where the file does not.
        little: Whether it is little endian.
        charset: Specific Character Set.
    """
    if vr in (None, "UN") and dictionary_has_tag(tag):
        vr = dictionary_VR(tag)[:2]  # of "US or SS" the former
    if vr in _FORMATS:
        return _numbers(vr, value, "<" if little else ">")
    if vr == "SQ" or (vr or "").startswith("O"):
        return ()
    return tuple(part.strip(" \0") for part in _decoded(value, charset).split("\\"))


def _numbers(vr: str, value: bytes, order: str) -> tuple[str, ...]:
    form = order + _FORMATS[vr]
    size = {"H": 2, "Q": 8, "D": 8}.get(form[1].upper(), 4)
    whole = value[: len(value) // size * size]
    numbers: list[Any] = [number for (number,) in iter_unpack(form, whole)]
    return tuple(f"{n:.{_DIGITS[vr]}g}" if vr in _DIGITS else str(n) for n in numbers)


def _decoded(value: bytes, charset: list[str]) -> str:
    try:
        return decode_bytes(value, convert_encodings(charset or [""]), TEXT_VR_DELIMS)
    except (LookupError, UnicodeError):  # a character set that nobody knows
        return value.decode("latin-1")
