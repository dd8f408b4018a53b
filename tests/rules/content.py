"""What may differ from the source, and what the rest must be (DICOM.md 1.3 to 1.5, 1.7)."""

import re
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    CTImageStorage,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
)

from medclean.archive.dicom.derive import COPIES
from rules.pair import Broken, Change, Pair, text_of, value_of

REMOVED = {  # false of a derived object, or about where the source was kept
    *("LengthToEnd", "InstanceCreationDate", "InstanceCreationTime", "InstanceCreatorUID"),
    *("InstanceCoercionDateTime", "RetrieveAETitle", "RetrieveURL"),
    *("AlternateRepresentationSequence", "IconImageSequence"),
    *("SmallestPixelValueInSeries", "LargestPixelValueInSeries"),
    *("StorageMediaFileSetID", "StorageMediaFileSetUID"),
    *("SOPInstanceStatus", "SOPAuthorizationDateTime", "SOPAuthorizationComment"),
    *("MACParametersSequence", "DigitalSignaturesSequence", "DataSetTrailingPadding"),
}
WRITTEN = {  # new or changed in every derived object
    *("ImageType", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription"),
    *("DerivationCodeSequence", "DerivationDescription", "SourceImageSequence"),
    *("ReferencedSeriesSequence", "StudiesContainingOtherReferencedInstancesSequence"),
    *("ContributingEquipmentSequence", "CodingSchemeIdentificationSequence", "PixelData"),
    *("SmallestImagePixelValue", "LargestImagePixelValue"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
}
FILLED = {"SOPClassUID", "StudyInstanceUID"}  # where the source's is empty; see `same_place`
STAMPED = {"InstanceCreationDate", "InstanceCreationTime"}
OF_ENHANCED = {  # anywhere below the top level too
    *("FrameType", "DerivationImageSequence", "SourceImageEvidenceSequence"),
    *("ContentQualification", "ConversionSourceAttributesSequence"),
    *("ConcatenationUID", "SOPInstanceUIDOfConcatenationSource"),
    *("CTImageFrameTypeSequence", "MRImageFrameTypeSequence", "PETFrameTypeSequence"),
    *("SmallestImagePixelValue", "LargestImagePixelValue"),
}
NOT_OF_ENHANCED = {  # of modules that these IODs do not have; a source may state them wrongly
    *("SourceImageSequence", "DerivationDescription", "DerivationCodeSequence"),
    *("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation"),
    *("VOILUTFunction", "VOILUTSequence"),
}
OF_RESIDUALS = {
    *("PixelRepresentation", "BitsAllocated", "BitsStored", "HighBit"),
    *("RescaleIntercept", "RescaleSlope", "RescaleType", "ModalityLUTSequence"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "HistogramSequence"),
    *("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation"),
    *("VOILUTSequence", "VOILUTFunction", "RealWorldValueMappingSequence", "FrameVOILUTSequence"),
    "PixelValueTransformationSequence",
}
LIMITS = {
    "CS": 16,
    "LO": 64,
    "SH": 16,
    "ST": 1024,
    "DS": 16,
    "IS": 12,
    "UI": 64,
    "AE": 16,
    "LT": 10240,
}
_DECIMAL = re.compile(r" *([+-]?(\d+\.?\d*|\.\d+)([Ee][+-]?\d+)?)? *")
_LOSSY = {
    *(JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless),
    *("1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"),
}


def unchanged(pair: Pair) -> Iterator[Broken]:
    """All that no rule names is as in the source, byte for byte."""
    for change in pair.changes:
        if not _is_named(change, pair):
            yield Broken(_about(change.path), str(change))


def _about(path: tuple[int, ...]) -> str:
    if any(tag >> 16 & 1 for tag in path):
        return "private elements"
    tag = path[-1]
    dated = dictionary_has_tag(tag) and dictionary_VR(tag) in ("DA", "TM", "DT")
    return "dates and times" if dated else "unchanged"


def _is_named(change: Change, pair: Pair) -> bool:
    """Whether a rule lets this differ; other rules say how it may."""
    names, tag = change.names, change.path[0]
    written = WRITTEN | (OF_RESIDUALS if pair.residual else set())
    if names[-1] in REMOVED and change.kind == "removed":
        return True
    if names[0] in FILLED and len(names) == 1:
        return not text_of(pair.source, names[0])
    if pair.enhanced and (OF_ENHANCED | OF_RESIDUALS & written) & {*names}:
        return True
    if pair.enhanced and change.kind == "removed":
        return names[0] in NOT_OF_ENHANCED or tag >> 24 == 0x60 or _is_gone_anyway(tag, pair.source)
    return (
        names[0] in written
        or (names[0] in STAMPED and pair.stamped)
        or (names[0] == "ImageComments" and pair.simulated)
        or (change.kind == "removed" and _is_gone_anyway(tag, pair.source))
        or _is_overlay(tag, pair.source)
    )


def _is_gone_anyway(tag: int, source: Dataset) -> bool:
    """Group lengths, and private elements that hash or copy pixels, by the program's own list."""
    group, number = tag >> 16, tag & 0xFFFF
    creator = text_of(source, group << 16 | number >> 8) if group & 1 else ""
    return not number or (number & 0xFF) in COPIES.get((group, creator), ())


def _is_overlay(tag: int, source: Dataset) -> bool:
    """An overlay that lay in the pixels' high bits gets an element of its own (1.5)."""
    group = tag & 0xFFFF0000
    buried = 0x6000 <= group >> 16 < 0x6020 and group | 0x3000 not in source
    return buried and text_of(source, group | 0x0102) not in ("", "0")


def comments(pair: Pair) -> Iterator[Broken]:
    """A simulated image says so before anything else (1.7)."""
    said = text_of(pair.derived, "ImageComments")
    if pair.simulated and not said.startswith("Simulated degradation"):
        yield Broken("image comments", "do not say that it is simulated")


def removed(pair: Pair) -> Iterator[Broken]:
    """What would be false is not there, whether the source has it or not."""
    for keyword in sorted(REMOVED - (STAMPED if pair.stamped else set())):
        if keyword in pair.derived:
            yield Broken("removed", f"{keyword} is there")
    tags = pair.derived.keys()
    if any(tag.element == 0 for tag in tags):
        yield Broken("removed", "a group length is there")


def texts(pair: Pair) -> Iterator[Broken]:
    """No text of ours is longer than its VR allows, or of other characters (PS3.5 6.2).

    What the source wrote wrongly may be referred to as it is.
    """
    for keyword, text, why in sorted(set(_wrong_texts(pair.derived, pair.touched))):
        if text.encode("latin-1", "replace") not in pair.content:
            yield Broken("texts", f"{keyword} {why}")


def _wrong_texts(data: Dataset, tags: Iterable[int]) -> Iterator[tuple[str, str, str]]:
    """Keyword, text and what is wrong with it, of some elements and all that lies in them."""
    for element in (data[tag] for tag in tags if tag in data):
        if element.VR == "SQ":
            for item in element.value:
                yield from _wrong_texts(item, item.keys())
        elif element.VR in LIMITS and not element.tag.is_private:
            text = text_of(data, element.tag)
            values = [text] if element.VR in ("ST", "LT") else text.split("\\")
            if any(len(value) > LIMITS[element.VR] for value in values):
                yield element.keyword, text, f"is longer than {element.VR} allows"
            if element.VR == "CS" and not re.fullmatch(r"[A-Z0-9 _\\]*", text):
                yield element.keyword, text, "has characters that CS has not"
            if element.VR == "DS" and not all(map(_DECIMAL.fullmatch, values)):
                yield element.keyword, text, "is no decimal number"
            if element.VR == "UI" and not re.fullmatch(r"[0-9.\\]*", text):
                yield element.keyword, text, "is no UID"


def pixels(pair: Pair) -> Iterator[Broken]:
    """Whole, within Bits Stored, and with the extremes that are stated."""
    data = pair.derived
    if "PixelData" not in data:
        yield Broken("pixels", "there are none")
        return
    stated = [key for key in ("SmallestImagePixelValue", "LargestImagePixelValue") if key in data]
    native = not UID(text_of(data.file_meta, "TransferSyntaxUID")).is_encapsulated
    if native or stated:
        words = _native(data) if native else data.pixel_array
        if not words.size:
            yield Broken("pixels", "Pixel Data has not the length of its pixels")
            return
        low, high = _range(data)
        if not low <= words.min() <= words.max() <= high:
            yield Broken("pixels", "some lie outside Bits Stored")
        for keyword in stated:
            extreme = words.min() if keyword.startswith("Smallest") else words.max()
            if value_of(data, keyword) != extreme:
                yield Broken("pixels", f"{keyword} is not that of the pixels")


def same_pixels(pair: Pair) -> Iterator[Broken]:
    """What says that its pixels are unchanged has its source's, as far as pydicom decodes that."""
    if pair.residual or "IDENTITY" not in [value for value, _, _ in pair.codes]:
        return
    try:
        stored = pair.source.pixel_array
    except (RuntimeError, ValueError, NotImplementedError, AttributeError, OverflowError):
        return
    if not np.array_equal(pair.derived.pixel_array, stored):
        yield Broken("pixels", "are not the source's, which it says they are")


def _native(data: Dataset) -> NDArray[np.integer]:
    """All bits of native pixels, as pydicom would hide those above Bits Stored; empty if cut."""
    kind = f"<{'ui'[data.PixelRepresentation]}{data.BitsAllocated // 8}"
    stated = text_of(data, "NumberOfFrames").strip()
    frames = int(stated) if stated.isdecimal() else 1  # "1.5" says nothing, and is kept
    count = frames * data.Rows * data.Columns
    size = count * np.dtype(kind).itemsize
    whole = len(data.PixelData) == size + size % 2
    return np.frombuffer(data.PixelData, kind, count if whole else 0)


def _range(data: Dataset) -> tuple[int, int]:
    """What Bits Stored can hold; where the value does not end there, all that is allocated."""
    bits = data.BitsStored if data.HighBit == data.BitsStored - 1 else data.BitsAllocated
    signed = data.PixelRepresentation == 1
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def lossy_history(pair: Pair) -> Iterator[Broken]:
    """The flag is never reset; ratios and methods are appended, never dropped (C.7.6.1.1.5)."""
    before, after = pair.source, pair.derived
    compressed = _was_lossy(before)
    if compressed or text_of(before, "LossyImageCompression") == "01":
        if text_of(after, "LossyImageCompression") != "01":
            yield Broken("lossy history", "LossyImageCompression is not 01")
    elif text_of(after, "LossyImageCompression") != text_of(before, "LossyImageCompression"):
        yield Broken("lossy history", "LossyImageCompression is not the source's")
    for keyword in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        old, new = (text_of(data, keyword) for data in (before, after))
        if not new.startswith(old):
            yield Broken("lossy history", f"{keyword} has lost a value")
    methods = text_of(after, "LossyImageCompressionMethod")
    if compressed and not methods:
        yield Broken("lossy history", "LossyImageCompressionMethod is missing")
    ratios = text_of(after, "LossyImageCompressionRatio")
    if compressed and not ratios and "\\" not in methods:  # of several, none may be left out
        yield Broken("lossy history", "LossyImageCompressionRatio is missing")


def _was_lossy(data: Dataset) -> bool:
    """By its transfer syntax; JPEG 2000 says in its codestream whether it rounds (9-7 wavelet)."""
    syntax = text_of(getattr(data, "file_meta", Dataset()), "TransferSyntaxUID")
    if "PixelData" not in data or syntax in _LOSSY:
        return "PixelData" in data
    if syntax not in (JPEG2000, HTJ2K):
        return False
    frames = int(text_of(data, "NumberOfFrames") or 1)
    codestream = next(generate_frames(data.PixelData, number_of_frames=frames), b"")
    style = codestream.find(b"\xff\x52")  # COD: the wavelet is its 12th byte from there
    return style >= 0 and codestream[style + 13 : style + 14] == b"\0"


def residual(pair: Pair) -> Iterator[Broken]:
    """What was removed, with a sign, in the source's steps (1.7)."""
    if not pair.residual:
        return
    data = pair.derived
    stated = {
        "PixelRepresentation": "1",
        "BitsAllocated": "16",
        "BitsStored": "16",
        "HighBit": "15",
    }
    for keyword, value in stated.items():
        if text_of(data, keyword) != value:
            yield Broken("residual", f"{keyword} is not {value}")
    slopes = text_of(pair.source, "RescaleSlope"), text_of(data, "RescaleSlope")
    if slopes[0] and "ModalityLUTSequence" not in pair.source and slopes[0] != slopes[1]:
        yield Broken("residual", "RescaleSlope is not the source's")
    if not pair.enhanced and float(text_of(data, "RescaleIntercept") or 0):
        yield Broken("residual", "RescaleIntercept is not 0")
    if pair.sop_class == CTImageStorage and text_of(data, "RescaleType") != "US":
        yield Broken("residual", "RescaleType is not US")
    gone = (
        "PixelPaddingValue",
        "PixelPaddingRangeLimit",
        "ModalityLUTSequence",
        "VOILUTSequence",
        "RealWorldValueMappingSequence",
    )
    for keyword in gone:
        if keyword in data:
            yield Broken("residual", f"{keyword} is there")
    if not pair.enhanced and float(text_of(data, "WindowCenter").split("\\")[0] or 1):
        yield Broken("residual", "has no window around 0")


RULES = (unchanged, comments, removed, texts, pixels, same_pixels, lossy_history, residual)
