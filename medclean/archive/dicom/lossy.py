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
_SOC = b"\xff\x4f\xff\x51"  # and SIZ, which always follows
_FILE = b"\0\0\0\x0cjP"  # a JP2 file, which has no place in DICOM but occurs
_SOT = 0x90  # the first tile: the main header ends
_WAVELET = {0x52: 11, 0x53: 8}  # COD, COC: where in the segment the transformation stands


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
    """Whether a JPEG 2000 codestream uses the 9-7 wavelet, which rounds (ISO 15444-1 A.6.1, A.6.2).

    One of the reversible wavelet whose last bits were cut away cannot be told from a whole one.

    Args:
        codestream: From its SOC marker, or with a file header before it; what begins otherwise is a
            further fragment of one.
    """
    if not codestream.startswith((_SOC, _FILE)):
        return False
    at = codestream.find(_SOC) + 2
    while at >= 2 and codestream[at : at + 1] == b"\xff":
        marker, segment = codestream[at + 1], codestream[at + 2 : at + 14]
        length = int.from_bytes(segment[:2], "big")
        if marker in _WAVELET and segment[_WAVELET[marker] :][:1] == b"\0":
            return True
        if marker == _SOT or length < 2:
            break
        at += 2 + length
    return False


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
