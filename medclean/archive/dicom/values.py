"""Values of elements, read leniently: what is absent, empty or no number is simply not there.

pydicom would convert by VR and raise for bad ones; that one element is bad does not matter to those
who need another. Text is taken as ASCII: only code strings, UIDs, dates and numbers are read here.
"""

import re
from collections.abc import Sequence
from math import isfinite, nan
from struct import unpack
from sys import intern
from typing import NamedTuple, Protocol

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from medclean.archive.dicom.elements import Elements, Key, tag_of

PHILIPS_SCALE = "Philips MR Imaging DD 001"  # the creator of RS and SS
_B_VALUES = (
    (0x0019, "SIEMENS MR HEADER", 0x0C),
    (0x0043, "GEMS_PARM_01", 0x39),
    (0x2001, "Philips Imaging DD 001", 0x03),
)
_COMPONENTS = ("MAGNITUDE", "PHASE", "REAL", "IMAGINARY")  # as GE counts them
_GE_OFFSET = 100_000  # GE adds a multiple of it to some b-values
_NAMED = re.compile(r"_b(\d+)(.*)")
MANNER = (  # words of acquisition; within one stack they are the same
    *("ScanningSequence", "SequenceVariant", "ScanOptions", "ReceiveCoilName"),
    *("ContrastBolusAgent", "SequenceName"),
)
_DIRECTIONS = (  # three numbers in one element, or in three that follow each other
    (0x0019, "SIEMENS MR HEADER", (0x0E,)),
    (0x0019, "GEMS_ACQU_01", (0xBB, 0xBC, 0xBD)),
    (0x2005, PHILIPS_SCALE, (0xB0, 0xB1, 0xB2)),
)


class Raw(Protocol):
    """An element whose value is bytes still, as pydicom's ``RawDataElement``."""

    @property
    def value(self) -> bytes | None: ...
    @property
    def VR(self) -> str | None: ...  # noqa: N802  # pydicom's name
    @property
    def is_little_endian(self) -> bool: ...


class Values(Protocol):
    """The elements of a data set but sequences, whoever took it apart."""

    def get(self, tag: int, /) -> Raw | None:
        """An element by its tag."""


class Found(NamedTuple):
    """An element among spans of bytes."""

    value: bytes
    VR: str | None
    is_little_endian: bool


class Spanned:
    """The elements of a data set that is spans of bytes."""

    def __init__(self, elements: Elements) -> None:
        self._spans, self._data = elements.spans, elements.data
        self._little = elements.order == "<"

    def get(self, tag: int, /) -> Found | None:
        span = self._spans.get(tag)
        if span is None or span.end > span.stop:  # closed by a delimiter, as sequences are
            return None
        return Found(self._data[span.value : span.stop], span.vr or None, self._little)


def values(data: Dataset) -> dict[int, RawDataElement]:
    """The elements that pydicom has not converted yet: of a data set just read, all but sequences.

    A plain dictionary is several times faster to ask than a Dataset.
    """
    return {tag: raw for tag, raw in data.items() if isinstance(raw, RawDataElement)}


def raw(data: Values, key: Key) -> bytes:
    """The bytes of a value; empty where there is none, or a sequence."""
    element = data.get(tag_of(key))
    return element.value or b"" if element else b""


def texts(data: Values, key: Key) -> tuple[str, ...]:
    """The values of a text, without their padding; none where it is absent or empty."""
    text = raw(data, key).decode("ascii", "replace").strip(" \0")
    return tuple(part.strip(" \0") for part in text.split("\\")) if text else ()


def text(data: Values, key: Key) -> str:
    """The first value of a text, else ``""``."""
    whole = raw(data, key).decode("ascii", "replace").strip(" \0")
    return whole.partition("\\")[0].strip(" \0")


def numbers(data: Values, key: Key, count: int) -> tuple[float, ...] | None:
    """So many finite numbers of a DS or IS; None where they are not all there."""
    try:
        values = tuple(float(part) for part in texts(data, key)[:count])
    except ValueError:
        return None
    return values if len(values) == count and all(map(isfinite, values)) else None


def number(data: Values, key: Key) -> float | None:
    """The first number of a DS or IS, if it is finite."""
    values = numbers(data, key, 1)
    return values[0] if values else None


def integer(data: Values, key: Key) -> int | None:
    """The first number of an IS, if it is whole and within its range (PS3.5 6.2)."""
    value = number(data, key)
    fits = value is not None and value.is_integer() and -(1 << 31) <= value < 1 << 31
    return int(value) if value is not None and fits else None


def unsigned(data: Values, key: Key) -> int | None:
    """The first value of a US such as Rows; a smaller or larger integer is taken as one too."""
    element = data.get(tag_of(key))
    if not (element and element.value):
        return None
    return int.from_bytes(element.value[:2], "little" if element.is_little_endian else "big")


def real(data: Values, key: Key) -> float | None:
    """The value of an FL or FD, or of a DS that a vendor wrote instead, if it is finite."""
    values = reals(data, key, 1)
    return values[0] if values else None


def reals(data: Values, key: Key, count: int) -> tuple[float, ...] | None:
    """So many finite numbers of an FL or FD, or of a DS; None where they are not all there."""
    element = data.get(tag_of(key))
    if not (element and element.value):
        return None
    kind = {4 * count: "f", 8 * count: "d"}.get(len(element.value))
    if kind is None or element.VR == "DS":
        return numbers(data, key, count)
    order = "<" if element.is_little_endian else ">"
    values = unpack(f"{order}{count}{kind}", element.value)
    return values if all(map(isfinite, values)) else None


def scale(data: Values, key: Key) -> float | None:
    """A slope or an intercept, nan where what stands there is none; None where nothing does.

    It is a DS; a float that somebody wrote instead says the same.
    """
    element = data.get(tag_of(key))
    binary = element is not None and element.VR in ("FL", "FD") and element.value
    if not (binary or text(data, key)):
        return None
    found = real(data, key) if binary else number(data, key)
    return nan if found is None else found


def vendor_scale(data: Values) -> float | None:
    """Philips' scale slope SS (2005,xx0E), not 0: DV / (RS x SS) compares between images.

    See Chenevert et al. 2014, "Errors in quantitative image analysis due to platform-dependent
    image scaling".
    """
    tag = private(data, 0x2005, PHILIPS_SCALE, 0x0E)
    return (real(data, tag) or None) if tag else None


def vendor_component(data: Values) -> str:
    """What GE says of an image where its Image Type is the same for all; ``""`` where it does not.

    The element (0043,xx2F) is an SS, and stays one where it is written as UN.
    """
    tag = private(data, 0x0043, "GEMS_PARM_01", 0x2F)
    stated = unsigned(data, tag) if tag else None
    return _COMPONENTS[stated] if stated is not None and stated < len(_COMPONENTS) else ""


def diffusion(data: Values) -> tuple[float | None, str, tuple[float, ...]]:
    """What tells diffusion images at one position apart: b-value, directionality and direction.

    Of the directions of vendors only those of a b-value above 0 are believed: elsewhere the
    elements may serve another purpose. The axes differ by vendor, which does not matter here.
    """
    value, kind = b_value(data), text(data, "DiffusionDirectionality")
    if value is None:
        value, named = diffusion_in(text(data, "SequenceName"))
        kind = kind or named
    if value == 0:
        return value, "", ()
    found = reals(data, "DiffusionGradientOrientation", 3) or (value and _direction(data)) or ()
    direction = tuple(round(along, 3) + 0.0 for along in found)
    return value, kind, direction if any(direction) else ()


def diffusion_in(sequence: str) -> tuple[float | None, str]:
    """b-value and direction in a Sequence Name of Siemens, where nothing else may say them.

    ``ep_b1000#12`` is direction 12, ``ep_b1000t`` the trace, ``*ep_b0`` neither.
    """
    found = _NAMED.search(sequence)
    return (float(found[1]), found[2]) if found else (None, "")


def manner(data: Values) -> str:
    """How an image was acquired, in words: pulse sequence, options, coil, contrast agent."""
    return manner_of(["\\".join(texts(data, keyword)) for keyword in MANNER])


def manner_of(words: Sequence[str]) -> str:
    """What the values of ``MANNER`` tell, as one text; what a name says of diffusion is no part."""
    *others, name = words
    return intern("/".join([*others, "" if _NAMED.search(name) else name]))


def b_value(data: Values) -> float | None:
    """Diffusion b-value (0018,9087), or where vendors put it before there was such an element."""
    if (stated := real(data, "DiffusionBValue")) is not None:
        return stated
    for group, creator, at in _B_VALUES:
        if tag := private(data, group, creator, at):
            value = real(data, tag) if group == 0x2001 else number(data, tag)
            return None if value is None else value % _GE_OFFSET
    return None


def _direction(data: Values) -> tuple[float, ...] | None:
    """A diffusion direction, where vendors put it before there was an element for it."""
    for group, creator, places in _DIRECTIONS:
        if tag := private(data, group, creator, places[0]):
            if len(places) == 1:
                return reals(data, tag, 3)
            read = number if group == 0x0019 else real  # DS of GE, FL of Philips
            parts = [read(data, tag & ~0xFF | place) for place in places]
            return None if None in parts else tuple(part or 0.0 for part in parts)
    return None


def private(data: Values, group: int, creator: str, number: int) -> int | None:
    """The tag of a private element, wherever its creator has put its block (PS3.5 7.8)."""
    for block in range(0x10, 0x20):
        tag = group << 16 | block
        if data.get(tag) and text(data, tag) == creator:  # there seldom is any
            return group << 16 | block << 8 | number
    return None
