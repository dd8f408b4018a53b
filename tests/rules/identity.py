"""Who the new object is: UIDs, numbers, names and file meta (DICOM.md 1.2)."""

import re
from collections.abc import Iterator

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from medclean.archive.dicom.uids import IMPLEMENTATION_CLASS
from rules.pair import Broken, Pair, text_of

LOSSLESS = {
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEG2000Lossless,
    JPEGLSLossless,
}
META = {  # all that we write; no AE titles, no private information
    "FileMetaInformationGroupLength",
    "FileMetaInformationVersion",
    "MediaStorageSOPClassUID",
    "MediaStorageSOPInstanceUID",
    "TransferSyntaxUID",
    "ImplementationClassUID",
    "ImplementationVersionName",
}
NEW = ("SOPInstanceUID", "SeriesInstanceUID")
NEW_OF_CONCATENATION = ("ConcatenationUID", "SOPInstanceUIDOfConcatenationSource")
SUFFIX = rb" ?\[medclean [ -Z\]-}]+\]( INCOMPLETE)?"  # behind what is left of the source's text
_ESCAPE = rb"\x1b[ -/]+[0-~]"


def new_uids(pair: Pair) -> Iterator[Broken]:
    """UIDs of version 8 (RFC 9562) below 2.25 that stand nowhere in the source."""
    parts = [key for key in NEW_OF_CONCATENATION if pair.enhanced and key in pair.derived]
    for keyword in (*NEW, *parts):
        uid = text_of(pair.derived, keyword)
        if uid.encode() in pair.content:
            yield Broken("new UIDs", f"{keyword} is one of the source's")
        elif not is_version_8(uid):
            yield Broken("new UIDs", f"{keyword} is no version-8 UUID below 2.25")


def is_version_8(uid: str) -> bool:
    """Whether a UID is ``2.25.`` and the decimal of a UUID with a hash of one's own choice."""
    if not re.fullmatch(r"2\.25\.[1-9]\d*", uid):
        return False
    number = int(uid[5:])
    return number < 1 << 128 and number >> 76 & 0xF == 8 and number >> 62 & 0b11 == 0b10


def same_place(pair: Pair) -> Iterator[Broken]:
    """A UID of type 1 is filled where the source has none, and else its own (1.2)."""
    for keyword in ("SOPClassUID", "StudyInstanceUID"):
        before, after = text_of(pair.source, keyword), text_of(pair.derived, keyword)
        if not after or (before and before != after):
            yield Broken("same study", f"{keyword} is not the source's")


def series_number(pair: Pair) -> Iterator[Broken]:
    """Source + 1000 k; empty where the source's is."""
    before, after = text_of(pair.source, "SeriesNumber"), text_of(pair.derived, "SeriesNumber")
    numbers = [int(text) for text in (before, after) if re.fullmatch(r"[+-]?\d+", text)]
    if len(numbers) < 2:
        good = before == after
    else:
        step = numbers[1] - numbers[0]
        good = step > 0 and step % 1000 == 0
        good |= step == 0 and numbers[0] > (1 << 31) - 1001  # none above is free
    if not good:
        yield Broken("series number", "is not the source's and a multiple of 1000")


def series_description(pair: Pair) -> Iterator[Broken]:
    """What the source says, with its bytes, between our words."""
    before = pair.raw_source.get("SeriesDescription", b"")
    after = pair.raw_derived.get("SeriesDescription", b"")
    prefix = b"RESIDUAL " if pair.residual else b"SIMULATED " if pair.simulated else b""
    framed = re.fullmatch(re.escape(prefix) + rb"(.*?)" + SUFFIX, after, re.DOTALL)
    if not framed:
        yield Broken("series description", f"is not {prefix.decode()}SOURCE [medclean ...]")
    elif not kept(framed[1], before, whole=len(after) < 60):
        yield Broken("series description", "changes the source's own text")


def derivation_description(pair: Pair) -> Iterator[Broken]:
    """The source's text, then ours."""
    if pair.enhanced:  # stands in the functional groups there
        return
    before = pair.raw_source.get("DerivationDescription", b"")
    after = pair.raw_derived.get("DerivationDescription", b"")
    framed = re.fullmatch(rb"(.*?)(; )?medclean [ -\[\]-}]+", after, re.DOTALL)
    earlier = re.match(rb"(.*); medclean [ -\[\]-}]+$", after, re.DOTALL)
    texts = [found[1] for found in (framed, earlier) if found]
    if not any(kept(text, before, whole=len(after) < 1000) for text in texts):
        yield Broken("derivation description", "is not the source's text and ours")


def kept(text: bytes, before: bytes, *, whole: bool) -> bool:
    """Whether a text is the beginning of another; an escape back to ASCII may end it."""
    ours = re.sub(rb"(" + _ESCAPE + rb")+$", b"", text.rstrip(b" ;"))
    theirs = re.sub(rb"(" + _ESCAPE + rb")+$", b"", before.rstrip(b" ;"))
    return ours == theirs if whole else theirs.startswith(ours.rstrip(b" "))


def file_meta(pair: Pair) -> Iterator[Broken]:
    """Made from nothing, and about this object (PS3.10 7.1)."""
    meta, data = pair.derived.file_meta, pair.derived
    if pair.head[:132] != b"\0" * 128 + b"DICM":
        yield Broken("file meta", "the preamble is not empty")
    for element in meta:
        if element.keyword not in META:
            yield Broken("file meta", f"{element.keyword or element.tag} has no place there")
    if text_of(meta, "ImplementationClassUID") != IMPLEMENTATION_CLASS:
        yield Broken("file meta", "ImplementationClassUID is not ours")
    if not re.fullmatch(r"MEDCLEAN_[ -~]{1,7}", text_of(meta, "ImplementationVersionName")):
        yield Broken("file meta", "ImplementationVersionName is not ours, or too long")
    for keyword in ("SOPClassUID", "SOPInstanceUID"):
        if text_of(meta, f"MediaStorage{keyword}") != text_of(data, keyword):
            yield Broken("file meta", f"MediaStorage{keyword} is not the data set's")
    if text_of(meta, "TransferSyntaxUID") not in LOSSLESS:
        yield Broken("file meta", "the transfer syntax is none that we write")


RULES = (
    new_uids,
    same_place,
    series_number,
    series_description,
    derivation_description,
    file_meta,
)
