"""Whether the source's pixels ever went through lossy compression (PS3.3 C.7.6.1.1.5)."""

from pydicom.uid import HTJ2K, JPEG2000, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless

from medclean.archive.dicom.elements import Changes, Elements, tag_of
from medclean.archive.dicom.jpeg2000 import form

_METHODS = {
    JPEGBaseline8Bit: "ISO_10918_1",
    JPEGExtended12Bit: "ISO_10918_1",
    "1.2.840.10008.1.2.4.53": "ISO_10918_1",  # spectral selection, retired
    "1.2.840.10008.1.2.4.55": "ISO_10918_1",  # full progression, retired
    JPEGLSNearLossless: "ISO_14495_1",
    JPEG2000: "ISO_15444_1",
    HTJ2K: "ISO_15444_15",
}
_EITHER = (JPEG2000, HTJ2K)  # the codestream says whether it is reversible


def lossy_history(source: Elements, syntax: str, pixels: int) -> Changes:
    """The flag, never reset, and what the source's own compression adds to the record.

    Ratios and methods are lists in the order of compressions, of which the source's own is the
    last. What it states stays; a method that it does not name comes behind it, and a ratio where
    exactly the last is missing: a ratio that belongs to no method would be worse than none.

    Args:
        source: With its pixel data as read.
        syntax: Transfer Syntax UID of the source.
        pixels: How many it has, of all frames.
    """
    fragments = _fragments(source)
    method = _METHODS.get(syntax) if fragments else None
    if syntax in _EITHER and not any(map(irreversible, fragments)):
        method = None
    if method is None and source.text("LossyImageCompression") != "01":
        return {}
    changes: Changes = {"LossyImageCompression": "01"}
    if method:
        methods = _stated(source, "LossyImageCompressionMethod")
        ratios = _stated(source, "LossyImageCompressionRatio")
        if method.encode() not in methods:
            methods.append(method.encode())
            changes["LossyImageCompressionMethod"] = b"\\".join(methods)
        if len(ratios) == len(methods) - 1:
            native = pixels * source.number("BitsAllocated") // 8
            ratios.append(f"{native / sum(map(len, fragments)):.6g}".encode())
            changes["LossyImageCompressionRatio"] = b"\\".join(ratios)
    return changes


def irreversible(codestream: bytes) -> bool:
    """Whether a JPEG 2000 codestream uses the 9-7 wavelet, which rounds.

    One of the reversible wavelet whose last bits were cut away cannot be told from a whole one.

    Args:
        codestream: As ``jpeg2000.segments`` has it.
    """
    found = form(codestream)
    return found is not None and found.rounds


def _stated(source: Elements, key: str) -> list[bytes]:
    """The values of a text, as they stand; none where it is empty."""
    value = source.value(key).strip(b" \0")
    return [part.strip(b" \0") for part in value.split(b"\\")] if value else []


def _fragments(source: Elements) -> list[bytes]:
    """What compressed pixels consist of; none where they are native."""
    span = source.spans.get(tag_of("PixelData"))
    if span is None or span.end == span.stop:
        return []
    return [source.data[item.start : item.end] for item in source.items_of(span)[1:]]
