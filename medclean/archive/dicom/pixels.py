"""Pixel data decoded: what ``pydicom`` gives as ``pixel_array``, faster where there is a way."""

from collections.abc import Sequence
from contextlib import suppress
from math import prod
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from medclean.archive.dicom import jpeg2000
from medclean.archive.dicom.elements import tag_of
from medclean.archive.dicom.encapsulated import refuse_fewer
from medclean.archive.dicom.headers import NATIVE, Header
from medclean.archive.dicom.lossless import Scan
from medclean.archive.dicom.parse import is_damage, one_reason
from medclean.archive.dicom.transcode import Opened
from medclean.errors import DataError

Integers = NDArray[np.integer]

_LITTLE_ENDIAN = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)
# The fastest decoder where all decode alike; the order of pydicom is another. Of JPEG and of
# irreversible JPEG 2000 two decoders may differ by a unit, and pydicom's choice stands.
_JPEG_LOSSLESS = (JPEGLossless, JPEGLosslessSV1)
_NEEDED = (  # what a decoder of pydicom asks for beside what has a default
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsStored",
    "PixelRepresentation",
)
_FASTEST = {
    RLELossless: "pylibjpeg",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
}
_JPEG_2000 = (JPEG2000Lossless, JPEG2000)
_HTJ2K = (HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K)
_TABLES = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")


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
            return _native(data.PixelData, header)
        _refuse_undecodable(data.PixelData, header, syntax, extended=_tables(data))
        if _is_twelve_bits(syntax, header):
            return _twelve_bits(data, header)
        return _by_pydicom(data, header, syntax)


def refuse_undecodable(file: FileDataset | Opened, header: Header) -> None:
    """Nothing, unless it shows without decoding that ``decode`` would fail.

    Raises:
        DataError: No decoder is there, or fewer frames are than the header says.
    """
    with one_reason("its pixels cannot be decoded"):
        if isinstance(file, Opened):
            elements, span = file.elements, file.elements.spans[tag_of("PixelData")]
            extended = [elements.value(key) for key in _TABLES if key in elements]
            where: Any = {"start": span.value, "stop": span.stop, "extended": extended}
            _refuse_undecodable(elements.data, header, UID(file.syntax), **where)
        else:
            syntax = _syntax(file, header)
            _refuse_undecodable(file.PixelData, header, syntax, extended=_tables(file))


def _refuse_undecodable(
    value: bytes | mmap, header: Header, syntax: UID, *, extended: Sequence[bytes], **where: int
) -> None:
    if syntax not in NATIVE:
        if not _is_twelve_bits(syntax, header):
            _decoder(syntax)
        refuse_fewer(value, frames=header.frames, extended=extended, **where)


def _tables(data: FileDataset) -> list[bytes]:
    return [data[key].value for key in _TABLES if key in data]


def _is_twelve_bits(syntax: UID, header: Header) -> bool:
    return syntax == JPEGExtended12Bit and header.stored > 8


def decode_quickly(opened: Opened, header: Header) -> Integers | None:
    """The same pixels from a file taken apart; None where that needs all that pydicom knows.

    Raises:
        DataError: They are damaged.
    """
    elements = opened.elements
    span = elements.spans[tag_of("PixelData")]
    if opened.syntax in _LITTLE_ENDIAN:
        return _native(elements.data, header, span.value) if span.end == span.stop else None
    if any(key not in elements for key in _NEEDED) or "ExtendedOffsetTable" in elements:
        return None
    if header.photometric not in ("MONOCHROME1", "MONOCHROME2"):
        return None
    value, syntax = elements.data[span.value : span.stop], UID(opened.syntax)
    try:
        if syntax in _JPEG_LOSSLESS:
            return _jpeg_lossless(value, header)
        if syntax == RLELossless:
            return _rle(value, header)
        if syntax in _JPEG_2000:
            return _jpeg_2000(value, header)
        if syntax in _FASTEST:
            return _array(_image(value, header), header, syntax, _FASTEST[syntax])
    except ImportError:  # it is not installed here
        return None
    except BaseException as error:  # pydicom tries others, and says why not
        if not is_damage(error):
            raise
    return None


def _syntax(data: FileDataset, header: Header) -> UID:
    """The transfer syntax; where no file meta states it, the native one that pydicom found."""
    if header.syntax:
        return UID(header.syntax)
    implicit, little = data.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _native(data: bytes | mmap, header: Header, start: int = 0) -> Integers:
    shape = (header.frames, header.rows, header.columns)
    return np.frombuffer(data, _kind(header), prod(shape), start).reshape(shape)


def _kind(header: Header) -> str:
    return f"<{'ui'[header.signed]}{header.allocated // 8}"


def _by_pydicom(data: FileDataset, header: Header, syntax: UID) -> Integers:
    data.file_meta.TransferSyntaxUID = syntax
    if syntax in (*_JPEG_2000, *_HTJ2K):
        _refuse_damaged(data.PixelData, header, syntax)
    fastest = _FASTEST.get(syntax)
    try:
        return _array(data, header, syntax, fastest or "")
    except BaseException as error:  # it is missing, or stricter than the others, or panics
        if fastest is None or not is_damage(error):
            raise
        return _array(data, header, syntax)


def _decoder(syntax: UID) -> Decoder:
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        known = syntax.name != syntax  # else it is a mere value, and may say anything
        name = syntax.name if known else "which nobody knows"
        raise DataError(f"no decoder reads its transfer syntax, {name}") from None
    if not decoder.is_available:
        which = "no decoder that is installed reads its transfer syntax"
        raise DataError(f"{which}, {syntax.name}; see medclean doctor")
    return decoder


def _array(data: Dataset, header: Header, syntax: UID, plugin: str = "") -> Integers:
    decoder = _decoder(syntax)
    options: dict[str, Any] = {"allow_excess_frames": False, "correct_unused_bits": False}
    array, _ = decoder.as_array(data, raw=True, decoding_plugin=plugin, **options)
    return array.reshape(header.frames, header.rows, header.columns)


def _image(value: bytes, header: Header) -> Dataset:
    """As much of a data set as a decoder of pydicom asks for."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = UID(header.syntax)
    image.Rows, image.Columns, image.NumberOfFrames = header.rows, header.columns, header.frames
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, header.photometric
    image.BitsAllocated, image.BitsStored = header.allocated, header.stored
    image.PixelRepresentation = int(header.signed)
    image.PixelData = value
    return image


def _rle(value: bytes, header: Header) -> Integers | None:
    """RLE by what pydicom's plugin calls, without what it does around that."""
    from rle.rle import decode_frame

    frames = list(generate_frames(value, number_of_frames=header.frames))
    if len(frames) != header.frames:
        return None
    size, allocated = header.rows * header.columns, header.allocated
    native = [decode_frame(frame, size, allocated, "<") for frame in frames]
    return _native(native[0] if len(native) == 1 else b"".join(native), header)


def _jpeg_lossless(value: bytes, header: Header) -> Integers | None:
    """JPEG lossless by a decoder that is three times as fast, where it can be relied on."""
    import imagecodecs

    frames = list(generate_frames(value, number_of_frames=header.frames))
    scans = [scan for frame in frames if (scan := Scan.of(frame))]
    if not len(frames) == len(scans) == header.frames:
        return None
    array = np.stack([imagecodecs.ljpeg_decode(frame) for frame in frames])
    if array.shape != (header.frames, header.rows, header.columns):
        return None
    if not all(scan.made(image) for scan, image in zip(scans, array, strict=True)):
        return None  # damaged: what is made of it differs from decoder to decoder
    if int(array.max()) >> header.stored:  # decoders do not agree on what that means
        return None
    return array.astype(_kind(header).replace("i", "u"), copy=False).view(_kind(header))


def _jpeg_2000(value: bytes, header: Header) -> Integers | None:
    """JPEG 2000 of one grey component that loses nothing: whoever decodes it gets the same."""
    frames = list(generate_frames(value, number_of_frames=header.frames))
    wanted = jpeg2000.Form(1, header.stored, header.signed, rounds=False)
    if len(frames) != header.frames or any(jpeg2000.form(frame) != wanted for frame in frames):
        return None
    array = np.stack([jpeg2000.decoded(frame) for frame in frames])
    if array.shape != (header.frames, header.rows, header.columns):
        return None
    return array.astype(_kind(header), copy=False)


def _refuse_damaged(value: bytes, header: Header, syntax: UID) -> None:
    """Nothing, unless something tells that JPEG 2000 codestreams are damaged: decoders do not.

    Raises:
        DataError: They are.
    """
    try:
        frames = list(generate_frames(value, number_of_frames=header.frames))
    except ValueError:
        return  # it cannot be told where they begin: pydicom will say so
    for frame in frames:
        if syntax in _HTJ2K:  # which has no arithmetic coder
            jpeg2000.refuse_faulty(frame)
        else:
            with suppress(RuntimeError, ValueError):  # likewise
                jpeg2000.decoded(frame)


def _twelve_bits(data: FileDataset, header: Header) -> Integers:
    """12-bit JPEG (1.2.840.10008.1.2.4.51), which no plugin of pydicom decodes."""
    import imagecodecs

    frames = generate_frames(data.PixelData, number_of_frames=header.frames)
    array = np.stack([imagecodecs.jpeg8_decode(frame) for frame in frames][: header.frames])
    shape = (header.frames, header.rows, header.columns)
    return array.astype(_kind(header)).reshape(shape)
