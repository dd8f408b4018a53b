"""Whether the source's pixels ever went through lossy compression (PS3.3 C.7.6.1.1.5)."""

from pydicom.uid import HTJ2K, JPEG2000, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless

from medclean.archive.dicom.elements import Changes, Elements, tag_of

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


def lossy_history(source: Elements, syntax: str, native_bytes: int) -> Changes:
    """The flag, never reset, and what the source's own compression adds to the record.

    A ratio or a method that the source states stays as it is, also where it states one only.

    Args:
        source: With its pixel data as read.
        syntax: Transfer Syntax UID of the source.
        native_bytes: Of its pixels, uncompressed.
    """
    fragments = _fragments(source)
    method = _METHODS.get(syntax) if fragments else None
    if syntax in _EITHER and fragments and not irreversible(fragments[0]):
        method = None
    if method is None and source.text("LossyImageCompression") != "01":
        return {}
    changes: Changes = {"LossyImageCompression": "01"}
    if method:
        if not source.text("LossyImageCompressionRatio"):
            ratio = native_bytes / sum(map(len, fragments))
            changes["LossyImageCompressionRatio"] = f"{ratio:.6g}"
        if not source.text("LossyImageCompressionMethod"):
            changes["LossyImageCompressionMethod"] = method
    return changes


def irreversible(codestream: bytes) -> bool:
    """Whether a JPEG 2000 codestream uses the 9-7 wavelet, which rounds (ISO 15444-1 A.6.1).

    Args:
        codestream: From its SOC marker, or with a file header before it.
    """
    at = codestream.find(b"\xff\x4f\xff\x51") + 2
    while at >= 2 and codestream[at : at + 1] == b"\xff":
        if codestream[at + 1 : at + 2] == b"\x52":  # COD
            return codestream[at + 13 : at + 14] == b"\0"
        at += 2 + int.from_bytes(codestream[at + 2 : at + 4], "big")
    return False


def _fragments(source: Elements) -> list[bytes]:
    """What compressed pixels consist of; none where they are native."""
    span = source.spans.get(tag_of("PixelData"))
    if span is None or span.end == span.stop:
        return []
    return [source.data[item.start : item.end] for item in source.items_of(span)[1:]]
