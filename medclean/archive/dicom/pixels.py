"""Pixel data decoded: what ``pydicom`` gives as ``pixel_array``, faster where there is a way."""

from functools import partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from medclean.archive.dicom.headers import Header
from medclean.archive.dicom.parse import one_reason
from medclean.errors import DataError

Integers = NDArray[np.integer]

_LITTLE_ENDIAN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)
# The fastest decoder where all decode alike; the order of pydicom is another. Of JPEG and of
# irreversible JPEG 2000 two decoders may differ by a unit, and pydicom's choice stands.
_FASTEST = {
    RLELossless: "pylibjpeg",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
}


def decode(data: FileDataset, header: Header) -> Integers:
    """The pixels with all the bits that the file, or its decoder, gives them.

    Args:
        data: A whole data set of monochrome integers.
        header: Its facts; nothing in it is broken.

    Returns:
        ``(frames, rows, columns)``, signed where Pixel Representation is 1; it may be read-only.

    Raises:
        DataError: The pixels are cut off or damaged, or no decoder is there.
    """
    with one_reason("its pixels cannot be decoded"):
        syntax = _syntax(data, header)
        if syntax in _LITTLE_ENDIAN:
            return _native(data, header)
        if syntax == JPEGExtended12Bit and header.stored > 8:
            return _twelve_bits(data, header)
        return _by_pydicom(data, header, syntax)


def _syntax(data: FileDataset, header: Header) -> UID:
    """The transfer syntax; where no file meta states it, the native one that pydicom found."""
    if header.syntax:
        return UID(header.syntax)
    implicit, little = data.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _native(data: FileDataset, header: Header) -> Integers:
    kind = f"<{'ui'[header.signed]}{header.allocated // 8}"
    shape = (header.frames, header.rows, header.columns)
    return np.frombuffer(data.PixelData, kind, prod(shape)).reshape(shape)


def _by_pydicom(data: FileDataset, header: Header, syntax: UID) -> Integers:
    data.file_meta.TransferSyntaxUID = syntax
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        known = syntax.name != syntax  # else it is a mere value, and may say anything
        name = syntax.name if known else "which nobody knows"
        raise DataError(f"no decoder reads its transfer syntax, {name}") from None
    options: dict[str, Any] = {"allow_excess_frames": False, "correct_unused_bits": False}
    decode = partial(decoder.as_array, data, raw=True, **options)
    fastest = _FASTEST.get(syntax)
    try:
        array, _ = decode(decoding_plugin=fastest or "")
    except BaseException as error:  # it is missing, or stricter than the others, or panics
        if fastest is None or isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        array, _ = decode()
    return array.reshape(header.frames, header.rows, header.columns)


def _twelve_bits(data: FileDataset, header: Header) -> Integers:
    """12-bit JPEG (1.2.840.10008.1.2.4.51), which no plugin of pydicom decodes."""
    import imagecodecs

    frames = generate_frames(data.PixelData, number_of_frames=header.frames)
    array = np.stack([imagecodecs.jpeg8_decode(frame) for frame in frames][: header.frames])
    shape = (header.frames, header.rows, header.columns)
    return array.astype(f"{'ui'[header.signed]}{header.allocated // 8}").reshape(shape)
