"""Pixels as a Pixel Data element, always lossless (PS3.5 8 and annex A)."""

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from medclean.archive.dicom.elements import UNDEFINED, Changes, Elements, Encoded, header, tag_of
from medclean.errors import DataError

_WANTED = {
    "explicit": ExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg2000": JPEG2000Lossless,
    "jpegls": JPEGLSLossless,
}
NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)
# One plugin each: what else is installed must not change the bytes. (That of gdcm for RLE is three
# times as fast, and ends the process where noise leaves nothing to compress.)
_PLUGINS = {RLELossless: "pylibjpeg", JPEG2000Lossless: "pylibjpeg", JPEGLSLossless: "pyjpegls"}
_BITS = {RLELossless: (1, 16), JPEG2000Lossless: (2, 24), JPEGLSLossless: (2, 16)}  # tested ones
_LARGEST = 0xFFFFFFFE  # bytes of a native element, and the greatest offset of a fragment
_DELIMITER = header(0xFFFEE0DD, "", 0, explicit=False)


def target(wanted: str, source: str, bits: int) -> tuple[UID, str]:
    """The transfer syntax to write, and a note where it is not the one that was asked for.

    Args:
        wanted: ``"keep"``, ``"explicit"``, ``"rle"``, ``"jpeg2000"`` or ``"jpegls"``.
        source: Transfer Syntax UID of the source.
        bits: Bits Stored.
    """
    asked = UID(source) if wanted == "keep" else _WANTED[wanted]
    least, most = _BITS.get(asked, (1, 64 if asked in NATIVE else 0))
    if least <= bits <= most:
        return asked, ""
    note = f"not {asked.name} for {bits} bits, which we do not write without loss"
    return ExplicitVRLittleEndian, f"written as Explicit VR Little Endian, {note}"


def pixel_data(stored: NDArray[np.integer], source: Elements, syntax: UID, bits: int) -> Changes:
    """What stands for the pixels in a data set of this transfer syntax.

    Args:
        stored: ``(frames, rows, columns)``; signed where Pixel Representation is 1.
        source: States Bits Allocated and Photometric Interpretation.
        syntax: As ``target`` gives it.
        bits: That the numbers take; Bits Stored, unless the source puts them elsewhere.

    Raises:
        DataError: More than 4 GiB of native pixels, or an odd number of bits.
    """
    allocated = source.number("BitsAllocated")
    if allocated not in (8, 16, 32, 64):
        raise DataError(f"Bits Allocated is {allocated}, expected 8, 16, 32 or 64")
    words = np.ascontiguousarray(stored, f"<{stored.dtype.kind}{allocated // 8}")
    if syntax in NATIVE:
        made = _native(words, explicit=syntax != ImplicitVRLittleEndian)
    else:
        made = _encapsulated(words, source, syntax, bits)
    return {
        "ExtendedOffsetTable": None,
        "ExtendedOffsetTableLengths": None,
        "PixelData": Encoded(made),
    }


def _native(words: NDArray[np.integer], *, explicit: bool) -> bytes:
    size = words.nbytes + words.nbytes % 2
    if size > _LARGEST:
        raise DataError(f"{size} bytes of pixels, expected less than 4 GiB; ask for --syntax rle")
    vr = "OB" if words.itemsize == 1 else "OW"
    head = header(tag_of("PixelData"), vr, size, explicit=explicit)
    return b"".join((head, words.data, b"\0" * (words.nbytes % 2)))


def _encapsulated(words: NDArray[np.integer], source: Elements, syntax: UID, bits: int) -> bytes:
    """One fragment a frame, after a table of their offsets where these fit into it."""
    if syntax == JPEGLSLossless:  # knows no sign, and nothing above its precision
        words = words.view(f"<u{words.itemsize}") & ((1 << bits) - 1)
    if syntax == RLELossless:  # packs whole bytes
        bits = source.number("BitsAllocated")
    frames = [
        get_encoder(syntax).encode(
            frame,
            encoding_plugin=_PLUGINS[syntax],
            rows=words.shape[1],
            columns=words.shape[2],
            number_of_frames=1,
            samples_per_pixel=1,
            photometric_interpretation=source.text("PhotometricInterpretation"),
            bits_allocated=source.number("BitsAllocated"),
            bits_stored=bits,
            pixel_representation=int(words.dtype.kind == "i"),
        )
        for frame in words
    ]
    table = sum(map(len, frames)) + 10 * len(frames) < _LARGEST
    head = header(tag_of("PixelData"), "OB", UNDEFINED, explicit=True)
    return b"".join((head, encapsulate(frames, has_bot=table), _DELIMITER))
