"""Small DICOM files for tests, made from nothing."""

from pathlib import Path
from time import gmtime, strftime
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEGLSTransferSyntaxes,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
)

CLASSES = {
    "CT": CTImageStorage,
    "MR": MRImageStorage,
    "PT": PositronEmissionTomographyImageStorage,
    "SC": SecondaryCaptureImageStorage,
}
OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)  # orthonormal, and along no axis
PLANTED = (  # what must never be seen in logs, journals, reports or names
    "DOE^JANE",
    "ID-4711-XYZ",
    "19640229",
    "Dr. Strangelove",
    "Ward 13 of Arkham",
    "private-note-of-jane",
)


def uid(*parts: object) -> str:
    """A UID that belongs to these words, the same at every call."""
    from hashlib import sha256

    digits = int(sha256("/".join(map(str, parts)).encode()).hexdigest()[:24], 16)
    return f"2.25.{digits}"


def image(
    stored: ArrayLike | None = None,
    *,
    modality: str = "CT",
    number: int = 1,
    series: object = 1,
    study: object = 1,
    bits: int = 16,
    slope: str | None = "1",
    intercept: str | None = "0",
    padding: int | None = None,
    padding_limit: int | None = None,
    photometric: str = "MONOCHROME2",
    position: tuple[float, float, float] | None = None,
    orientation: tuple[float, ...] = (1, 0, 0, 0, 1, 0),
    spacing: tuple[float, float] = (0.75, 0.5),
    gap: float = 2.5,
    planted: bool = False,
    private: bool = False,
    **elements: Any,
) -> Dataset:
    """A classic image object with native pixels.

    Args:
        stored: ``(rows, columns)`` or ``(frames, rows, columns)`` of integers; a signed type makes
            Pixel Representation 1. A small pattern if not given.
        modality: A key of ``CLASSES``.
        number: Instance Number; also the place along the normal where no position is given.
        series: Words that become the Series Instance UID; a number is the Series Number too.
        study: Words that become the Study Instance UID.
        bits: Bits Stored.
        slope: None leaves the element out; so do ``intercept``, ``padding``, ``padding_limit``.
        intercept: Text of Rescale Intercept.
        padding: Pixel Padding Value, in the sign of ``stored``.
        padding_limit: Pixel Padding Range Limit, likewise.
        photometric: Photometric Interpretation.
        position: Image Position (Patient), mm.
        orientation: Image Orientation (Patient).
        spacing: Of rows and columns, mm.
        gap: Between slices, mm.
        planted: Put ``PLANTED`` at every depth.
        private: Add private elements, among them a sequence.
        elements: Any other element by keyword; None removes it.
    """
    pixels = pattern(bits=bits) if stored is None else np.asarray(stored)
    rows, columns = pixels.shape[-2:]
    signed = pixels.dtype.kind == "i"
    allocated = pixels.dtype.itemsize * 8
    normal = np.cross(orientation[:3], orientation[3:])
    place = tuple(normal * gap * (number - 1)) if position is None else position

    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 100"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.SOPClassUID = CLASSES[modality]
    data.SOPInstanceUID = uid("instance", study, series, number)
    data.StudyDate = data.SeriesDate = data.AcquisitionDate = data.ContentDate = "20200304"
    data.StudyTime = data.SeriesTime = data.ContentTime = "101112.5"
    data.AcquisitionTime = strftime("%H%M%S", gmtime(36672 + number))  # 10:11:12 and later
    data.AccessionNumber = ""
    data.Modality = "OT" if modality == "SC" else modality
    data.Manufacturer = "Acme"
    data.BodyPartExamined = "HEAD"
    data.ManufacturerModelName = "Scanner 1"
    data.ReferringPhysicianName = ""
    data.SeriesDescription = f"Series {series}"
    data.PatientName = ""
    data.PatientID = ""
    data.PatientBirthDate = ""
    data.PatientSex = ""
    data.SliceThickness = f"{gap:g}"
    data.PatientPosition = "HFS"
    data.StudyInstanceUID = uid("study", study)
    data.SeriesInstanceUID = uid("series", study, series)
    data.StudyID = ""
    data.SeriesNumber = series if isinstance(series, int) else None
    data.AcquisitionNumber = 1
    data.InstanceNumber = number
    data.ImagePositionPatient = [f"{value:.6g}" for value in place]
    data.ImageOrientationPatient = [f"{value:g}" for value in orientation]
    data.FrameOfReferenceUID = uid("frame of reference", study)
    data.PositionReferenceIndicator = ""
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = photometric
    if pixels.ndim == 3:
        data.NumberOfFrames = len(pixels)
    data.Rows, data.Columns = rows, columns
    data.PixelSpacing = [f"{value:g}" for value in spacing]
    data.BitsAllocated, data.BitsStored, data.HighBit = allocated, bits, bits - 1
    data.PixelRepresentation = int(signed)
    data.PixelPaddingValue = padding
    data.PixelPaddingRangeLimit = padding_limit
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        if data[keyword].value is None:
            del data[keyword]
        else:
            data[keyword].VR = "SS" if signed else "US"
    if slope is not None:
        data.RescaleSlope = slope
    if intercept is not None:
        data.RescaleIntercept = intercept
    _of_modality(data, modality, slope is not None)
    if planted:
        _plant(data)
    if private:
        _add_private(data)
    for keyword, value in elements.items():
        if value is None:
            data.pop(keyword, None)
        else:
            setattr(data, keyword, value)
    data.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    data["PixelData"].VR = "OB" if allocated == 8 else "OW"

    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = data.get("SOPClassUID", CLASSES[modality])
    data.file_meta.MediaStorageSOPInstanceUID = data.get("SOPInstanceUID") or uid(series, number)
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if planted:
        data.preamble = PLANTED[0].encode().ljust(128, b"\0")
        data.file_meta.SourceApplicationEntityTitle = PLANTED[1]
    return data


def save(data: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian, **options: Any) -> Path:
    """Write a data set in any transfer syntax that pydicom can encode; makes the folders.

    Args:
        data: As ``image`` gives it; encoded in place.
        path: Where to.
        syntax: Transfer Syntax UID: native, deflated, RLE, JPEG-LS or JPEG 2000.
        options: For the encoder, such as ``jls_error=2`` and ``j2k_cr=[10]``.
    """
    syntax = type(ExplicitVRLittleEndian)(syntax)
    if syntax.is_compressed and not syntax.is_deflated:
        # gdcm ends the process where there is nothing to compress, so it is not asked.
        plugin = "pyjpegls" if syntax in JPEGLSTransferSyntaxes else "pylibjpeg"
        data.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False, **options)
    elif syntax == ExplicitVRBigEndian:
        kind = f"u{data.BitsAllocated // 8}"
        data.PixelData = np.frombuffer(data.PixelData, f"<{kind}").astype(f">{kind}").tobytes()
    data.file_meta.TransferSyntaxUID = syntax
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True, overwrite=True)
    return path


def series(
    folder: Path, slices: int = 3, *, syntax: str = ExplicitVRLittleEndian, **how: Any
) -> list[Path]:
    """Write one series of noisy slices into a folder; ``how`` is for ``image``."""
    bits, signed = how.get("bits", 16), how.pop("signed", False)
    paths = []
    for number in range(1, slices + 1):
        stored = pattern(bits=bits, signed=signed, seed=number)
        paths.append(
            save(image(stored, number=number, **how), folder / f"{number:04d}.dcm", syntax)
        )
    return paths


def pattern(
    shape: tuple[int, ...] = (37, 33), *, bits: int = 16, signed: bool = False, seed: int = 0
) -> NDArray[np.integer]:
    """Random integers that use every bit, both ends of the range among them."""
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    kind = f"{'i' if signed else 'u'}{1 if bits <= 8 else 2 if bits <= 16 else 4}"
    pixels = np.random.default_rng(seed).integers(low, high, shape, kind, endpoint=True)
    pixels.flat[:2] = low, high
    return pixels


def _of_modality(data: Dataset, modality: str, rescaled: bool) -> None:
    """The elements that an IOD needs beside the common ones."""
    match modality:
        case "CT":
            data.KVP = "120"
            if rescaled:
                data.RescaleType = "HU"
        case "MR":
            data.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
            data.ScanningSequence = "SE"
            data.SequenceVariant = "NONE"
            data.ScanOptions = ""
            data.MRAcquisitionType = "2D"
            data.EchoTime, data.RepetitionTime = "20", "500"
            data.EchoTrainLength = 1
        case "PT":
            data.ImageType = ["ORIGINAL", "PRIMARY"]
            data.SeriesType = ["STATIC", "IMAGE"]
            data.Units = "BQML"
            data.CountsSource = "EMISSION"
            data.NumberOfSlices = 3
            data.CorrectedImage = ["DECY", "ATTN"]
            data.DecayCorrection = "START"
            data.CollimatorType = "NONE"
            data.ActualFrameDuration = "120000"
            data.FrameReferenceTime = "0"
            data.ImageIndex = data.InstanceNumber
            data.DecayFactor = "1.05"
            data.PatientWeight = "70"
            data.RadiopharmaceuticalInformationSequence = []
            data.PatientOrientationCodeSequence = []
            data.PatientGantryRelationshipCodeSequence = []
        case "SC":
            data.ImageType = ["DERIVED", "SECONDARY"]
            data.ConversionType = "WSD"
            data.PatientOrientation = ""
            if rescaled:
                data.RescaleType = "US"


def _plant(data: Dataset) -> None:
    """Put each planted text at the top level, in nested sequences and in private elements."""
    data.PatientName, data.PatientID, data.PatientBirthDate = PLANTED[:3]
    data.ReferringPhysicianName, data.InstitutionName = PLANTED[3:5]
    inner = Dataset()
    inner.PatientName, inner.PatientID, inner.TextValue = PLANTED[0], PLANTED[1], PLANTED[4]
    outer = Dataset()
    outer.ContentSequence = Sequence([inner])
    data.RequestAttributesSequence = Sequence([outer])
    block = data.private_block(0x0029, "ACME NOTES", create=True)
    block.add_new(0x10, "LO", PLANTED[5])


def _add_private(data: Dataset) -> None:
    """A private block with numbers, bytes and a sequence."""
    block = data.private_block(0x0019, "ACME HEADER", create=True)
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "ACME", "one"
    block.add_new(0x01, "DS", ["1.50", "-2.0"])
    block.add_new(0x02, "OB", b"\0\1\2\3")
    block.add_new(0x03, "SQ", Sequence([item]))
    block.add_new(0x04, "UN", b"odd.")
