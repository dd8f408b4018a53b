"""Pixels as a Pixel Data element, always lossless (PS3.5 8 and annex A)."""

from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate, encapsulate_extended
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

from medclean.archive.dicom.elements import UNDEFINED, Changes, Encoded, header, tag_of
from medclean.errors import DataError

SYNTAXES = {
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
LARGEST = 0xFFFFFFFE
"""Bytes that a native element or a fragment may have, and the greatest offset of a fragment."""
_DELIMITER = header(0xFFFEE0DD, "", 0, explicit=False)


class EncodedPixels(NamedTuple):
    """Pixels as they stand in a file.

    Attributes:
        syntax: Transfer Syntax UID of that file.
        elements: Pixel Data, whole, and the offsets of its frames where they are too large for it.
        note: Said where the syntax is not the one that was asked for.
    """

    syntax: UID
    elements: Changes
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

    Native pixels of 4 GiB or more have no place in a file; they become RLE.

    Args:
        stored: ``(frames, rows, columns)``; signed where Pixel Representation is 1.
        wanted: ``"keep"``, ``"explicit"``, ``"rle"``, ``"jpeg2000"`` or ``"jpegls"``.
        source: Transfer Syntax UID of the source.
        allocated: Bits Allocated.
        bits: That the numbers take; Bits Stored, unless the source puts them elsewhere.
        photometric: Photometric Interpretation.

    Raises:
        DataError: Neither way is open.
    """
    words = np.ascontiguousarray(stored, f"<{stored.dtype.kind}{allocated // 8}")
    syntax = UID(source) if wanted == "keep" else SYNTAXES[wanted]
    note = ""
    if syntax not in NATIVE:
        if found := _compressed(words, syntax, bits, photometric):
            return EncodedPixels(syntax, found)
        note = f"as we cannot write {syntax.name} losslessly"
        syntax = ExplicitVRLittleEndian
    if words.nbytes <= LARGEST:
        native = _native(words, explicit=syntax != ImplicitVRLittleEndian)
        return EncodedPixels(syntax, native, note and f"written as {syntax.name}, {note}")
    if found := _compressed(words, RLELossless, bits, photometric):
        note = note or "as native pixels have less than 4 GiB"
        return EncodedPixels(RLELossless, found, f"written as {RLELossless.name}, {note}")
    raise DataError(
        f"its {words.nbytes} bytes of pixels are too many for native ones, which have less than "
        f"4 GiB, and its {bits} bits a pixel too many for RLE"
    )


def _native(words: NDArray[np.integer], *, explicit: bool) -> Changes:
    size = words.nbytes + words.nbytes % 2
    vr = "OB" if words.itemsize == 1 else "OW"
    head = header(tag_of("PixelData"), vr, size, explicit=explicit)
    content = words.reshape(-1).view(np.uint8).data
    return {"PixelData": Encoded((head, content, b"\0" * (words.nbytes % 2)))}


def _compressed(words: NDArray[np.integer], syntax: UID, bits: int, photometric: str) -> Changes:
    """Frames as a codec packs them; nothing where it cannot, or one is too long for its item."""
    least, most = _BITS.get(syntax, (1, 0))
    if not least <= bits <= most:
        return {}
    # A codec may refuse an image that is too small, or noise that it cannot make smaller.
    with suppress(RuntimeError, ValueError):
        frames = _packed(words, syntax, bits, photometric)
        if max(map(len, frames)) <= LARGEST:
            return _encapsulated(frames)
    return {}


def _packed(words: NDArray[np.integer], syntax: UID, bits: int, photometric: str) -> list[bytes]:
    allocated = words.itemsize * 8
    if syntax == JPEGLSLossless:  # knows no sign, and nothing above its precision
        words = words.view(f"<u{words.itemsize}") & ((1 << bits) - 1)
    if syntax == RLELossless:  # packs whole bytes
        bits = allocated
    return [
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


def _encapsulated(frames: list[bytes]) -> Changes:
    """One fragment a frame, after a table of their offsets: the extended one where these are large.

    Beside that one the basic table must be empty (PS3.3 C.7.6.3.1.8, PS3.5 A.4).
    """
    head = header(tag_of("PixelData"), "OB", UNDEFINED, explicit=True)
    if sum(map(len, frames)) + 10 * len(frames) < LARGEST:
        return {"PixelData": Encoded((head, encapsulate(frames), _DELIMITER))}
    content, offsets, lengths = encapsulate_extended(frames)
    return {
        "ExtendedOffsetTable": offsets,
        "ExtendedOffsetTableLengths": lengths,
        "PixelData": Encoded((head, content, _DELIMITER)),
    }
