"""Files of any native encoding, and their data sets as explicit VR little endian (PS3.5 A)."""

import zlib
from mmap import mmap
from typing import NamedTuple

import numpy as np
from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from medclean.archive.dicom.elements import (
    UNDEFINED,
    VRS,
    Elements,
    Key,
    Span,
    header,
    item,
)
from medclean.archive.limits import limits
from medclean.errors import DataError

_WIDTHS = {
    **dict.fromkeys(("US", "SS", "OW", "AT"), 2),
    **dict.fromkeys(("UL", "SL", "FL", "OL", "OF"), 4),
    **dict.fromkeys(("UV", "SV", "FD", "OV", "OD"), 8),
}
_PIXEL_REPRESENTATION = 0x00280103


class Opened(NamedTuple):
    """A file taken apart.

    Attributes:
        meta: File meta information.
        elements: The data set.
        syntax: Transfer Syntax UID; what the bytes look like where the file does not state it.
    """

    meta: Elements
    elements: Elements
    syntax: str


def opened(data: bytes | mmap) -> Opened:
    """Take a DICOM file apart, also one without preamble and file meta, as pydicom would.

    Explicit or implicit VR is what its first element shows.

    Raises:
        DataError: It cannot be taken apart.
    """
    start = 132 if data[128:132] == b"DICM" else 0
    meta = Elements(data, start, len(data)).before(0x00030000)
    syntax, start = meta.text("TransferSyntaxUID"), meta.end
    if syntax == DeflatedExplicitVRLittleEndian:
        data, start = inflated(data, start), 0
    letters = data[start + 4 : start + 6]
    explicit = letters.isalpha() and letters.isupper()
    big = syntax == ExplicitVRBigEndian or (not syntax and data[start : start + 1] == b"\0")
    if syntax in ("", ExplicitVRLittleEndian, ImplicitVRLittleEndian):
        syntax = str(ExplicitVRLittleEndian if explicit else ImplicitVRLittleEndian)
    return Opened(meta, Elements(data, start, len(data), explicit, ">" if big else "<"), syntax)


def inflated(data: bytes | mmap, start: int) -> bytes:
    """The data set of the deflated transfer syntax, which is raw deflate (PS3.5 A.5).

    Raises:
        DataError: The stream is damaged, or holds more than we take.
    """
    stream = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        inflated = stream.decompress(data[start:], limits().inflated)
    except zlib.error as error:
        raise DataError(f"the deflated data set is damaged: {error}") from None
    if not stream.eof:
        raise DataError(
            f"the deflated data set is cut off, or inflates to more: {limits().passed('inflated')}"
        )
    return inflated


def deflated(data: bytes) -> bytes:
    """The counterpart of ``inflated``, padded to even length."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = stream.compress(data) + stream.flush()
    return packed + b"\0" * (len(packed) % 2)


def transcoded(source: Elements, *, signed: bool = False) -> bytes:
    """A data set as explicit VR little endian, without group lengths.

    VRs that are not written come from the dictionaries (private ones by their creator), else they
    become UN, whose value stays as it is: implicit VR little endian (PS3.5 6.2.2).

    Args:
        source: Of any encoding, or an item of a sequence.
        signed: Pixel Representation of the data set that this one lies in.

    Raises:
        DataError: It cannot be taken apart.
    """
    if _PIXEL_REPRESENTATION in source:
        signed = any(source.value(_PIXEL_REPRESENTATION))
    spans = sorted(source.spans.items())
    return b"".join(_element(source, tag, span, signed) for tag, span in spans if tag & 0xFFFF)


def contents(source: Elements, key: Key) -> list[bytes]:
    """The items of a sequence, encoded as the data set is, so that more can stand beside them."""
    return [
        item.data[item.start : item.end] if item.explicit == source.explicit else transcoded(item)
        for item in source.items(key)
    ]


def _element(source: Elements, tag: int, span: Span, signed: bool) -> bytes:
    undefined = span.end > span.stop
    if undefined and span.vr in ("OB", "OW"):  # fragments of a compressed image
        return header(tag, "OB", UNDEFINED, explicit=True) + source.data[span.value : span.end]
    value = source.data[span.value : span.stop]
    vr = span.vr or _looked_up(source, tag, signed)
    if vr == "SQ" or undefined:
        try:
            items = [transcoded(part, signed=signed) for part in source.items_of(span)]
        except DataError:
            if undefined or not tag >> 16 & 1:
                raise
            vr = "UN"  # a vendor's own element that only has a sequence's name
        else:
            vr, value = "SQ", b"".join(item(part, explicit=True) for part in items)
    width = _WIDTHS.get(vr, 1)
    if len(value) % width or (vr not in EXPLICIT_VR_LENGTH_32 and len(value) > 0xFFFF):
        vr = "UN"
    elif source.order == ">" and width > 1:
        value = np.frombuffer(value, f"u{width}").byteswap().tobytes()
    return header(tag, vr, len(value), explicit=True) + value


def _looked_up(source: Elements, tag: int, signed: bool) -> str:
    """The VR of an element that does not state it; ``"UN"`` where nobody knows."""
    group, number = tag >> 16, tag & 0xFFFF
    try:
        if not group & 1:
            vr = dictionary_VR(tag)
        elif number < 0x100:
            return "LO"  # private creator
        else:
            creator = source.text(group << 16 | number >> 8)
            vr = private_dictionary_VR(tag, creator)
    except KeyError:
        return "UN"
    if vr == "US or SS":
        return "SS" if signed else "US"
    if vr == "US or OW" and len(source.value(tag)) == 2:  # a table of one entry
        return "US"
    return "OW" if " or " in vr else vr if vr in VRS else "UN"
