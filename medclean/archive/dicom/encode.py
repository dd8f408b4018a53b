"""Pixels as a Pixel Data element, always lossless (PS3.5 8 and annex A)."""

from contextlib import suppress
from typing import NamedTuple

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

from medclean.archive.dicom.elements import UNDEFINED, Encoded, header, tag_of
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


class EncodedPixels(NamedTuple):
    """Pixels as they stand in a file.

    Attributes:
        syntax: Transfer Syntax UID of that file.
        element: Pixel Data, whole.
        note: Said where the syntax is not the one that was asked for.
    """

    syntax: UID
    element: Encoded
    note: str = ""


def encode(
    stored: NDArray[np.integer],
    *,
    wanted: str,
    source: str,
    allocated: int,
    bits: int,
    photometric: str,
) -> EncodedPixels:
    """Encode pixels as asked for, or natively where that would lose or change something.

    Args:
        stored: ``(frames, rows, columns)``; signed where Pixel Representation is 1.
        wanted: ``"keep"``, ``"explicit"``, ``"rle"``, ``"jpeg2000"`` or ``"jpegls"``.
        source: Transfer Syntax UID of the source.
        allocated: Bits Allocated.
        bits: That the numbers take; Bits Stored, unless the source puts them elsewhere.
        photometric: Photometric Interpretation.

    Raises:
        DataError: 4 GiB of native pixels or more.
    """
    words = np.ascontiguousarray(stored, f"<{stored.dtype.kind}{allocated // 8}")
    syntax = UID(source) if wanted == "keep" else _WANTED[wanted]
    if syntax in NATIVE:
        element = _native(words, explicit=syntax != ImplicitVRLittleEndian)
        return EncodedPixels(syntax, Encoded(element))
    least, most = _BITS.get(syntax, (1, 0))
    if least <= bits <= most:
        # A codec may refuse an image that is too small, or noise that it cannot make smaller.
        with suppress(RuntimeError, ValueError):
            element = _encapsulated(words, syntax, bits, photometric)
            return EncodedPixels(syntax, Encoded(element))
    note = f"written as {ExplicitVRLittleEndian.name}, as we cannot write {syntax.name} losslessly"
    return EncodedPixels(ExplicitVRLittleEndian, Encoded(_native(words, explicit=True)), note)


def _native(words: NDArray[np.integer], *, explicit: bool) -> bytes:
    size = words.nbytes + words.nbytes % 2
    if size > _LARGEST:
        raise DataError(f"{size} bytes of pixels, expected less than 4 GiB; ask for --syntax rle")
    vr = "OB" if words.itemsize == 1 else "OW"
    head = header(tag_of("PixelData"), vr, size, explicit=explicit)
    return b"".join((head, words.data, b"\0" * (words.nbytes % 2)))


def _encapsulated(words: NDArray[np.integer], syntax: UID, bits: int, photometric: str) -> bytes:
    """One fragment a frame, after a table of their offsets where these fit into it."""
    allocated = words.itemsize * 8
    if syntax == JPEGLSLossless:  # knows no sign, and nothing above its precision
        words = words.view(f"<u{words.itemsize}") & ((1 << bits) - 1)
    if syntax == RLELossless:  # packs whole bytes
        bits = allocated
    frames = [
        get_encoder(syntax).encode(
            frame,
            encoding_plugin=_PLUGINS[syntax],
            rows=words.shape[1],
            columns=words.shape[2],
            number_of_frames=1,
            samples_per_pixel=1,
            photometric_interpretation=photometric,
            bits_allocated=allocated,
            bits_stored=bits,
            pixel_representation=int(words.dtype.kind == "i"),
        )
        for frame in words
    ]
    table = sum(map(len, frames)) + 10 * len(frames) < _LARGEST
    head = header(tag_of("PixelData"), "OB", UNDEFINED, explicit=True)
    return b"".join((head, encapsulate(frames, has_bot=table), _DELIMITER))
