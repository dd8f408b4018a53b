"""What the headers of a DICOM series say about whose it is, and how it was acquired."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydicom.dataset import FileDataset

from medclean.archive.acquisition import allowed
from medclean.archive.dicom.facts import facts
from medclean.archive.dicom.parse import NotAnImage, one_reason, parse_header
from medclean.archive.dicom.values import number, texts, values
from medclean.archive.selection import PATH, Expression, Facts
from medclean.errors import DataError

_WORDS = {  # names of sidecars, by keyword
    "Manufacturer": "Manufacturer",
    "ManufacturerModelName": "ManufacturersModelName",
    "MRAcquisitionType": "MRAcquisitionType",
    "ScanningSequence": "ScanningSequence",
    "SequenceVariant": "SequenceVariant",
    "SequenceName": "SequenceName",
    "ConvolutionKernel": "ConvolutionKernel",
    "Units": "Units",
    "DecayCorrection": "DecayCorrection",
}
_NUMBERS = {  # likewise, with the factor to the unit of sidecars
    "MagneticFieldStrength": ("MagneticFieldStrength", 1.0),
    "EchoTime": ("EchoTime", 1e-3),
    "RepetitionTime": ("RepetitionTime", 1e-3),
    "InversionTime": ("InversionTime", 1e-3),
    "FlipAngle": ("FlipAngle", 1.0),
    "EchoTrainLength": ("EchoTrainLength", 1.0),
    "NumberOfAverages": ("NumberOfAverages", 1.0),
    "PixelBandwidth": ("PixelBandwidth", 1.0),
    "SliceThickness": ("SliceThickness", 1.0),
    "SpacingBetweenSlices": ("SpacingBetweenSlices", 1.0),
    "KVP": ("KVP", 1.0),
    "XRayTubeCurrent": ("XRayTubeCurrent", 1.0),
    "Exposure": ("XRayExposure", 1.0),
    "ExposureTime": ("ExposureTime", 1e-3),
    "ActualFrameDuration": ("FrameDuration", 1e-3),
}


def headers(root: Path, paths: Sequence[str]) -> list[FileDataset]:
    """The data sets of some files, without their pixels.

    Raises:
        DataError: One of them cannot be read; the message names its path.
    """
    found = []
    for path in paths:
        try:
            found.append(parse_header(root / path).data)
        except (DataError, NotAnImage) as error:
            raise DataError(f"{path} {error}") from None
    return found


def patients_of(data: Sequence[FileDataset]) -> set[str]:
    """The Patient IDs (0010,0020) that files name, ``""`` where one names none."""
    with one_reason("cannot be parsed"):
        return {str(header.get("PatientID") or "").strip() for header in data}


def acquisition(data: FileDataset) -> dict[str, Any]:
    """Facts for a sidecar: those of the allow-list that stand at the top level of a header."""
    known = values(data)
    stated: dict[str, Any] = {
        name: "\\".join(texts(known, keyword)) for keyword, name in _WORDS.items()
    }
    for keyword, (name, factor) in _NUMBERS.items():
        if (value := number(known, keyword)) is not None:
            stated[name] = round(value * factor, 9)
    return allowed(stated)


def holds(expression: Expression, data: FileDataset, path: str) -> bool:
    """Whether an expression holds for a file."""
    tags = [c.key for c in expression.conditions if c.key != PATH]
    with one_reason("cannot be parsed"):
        told: Facts = {PATH: (path,), **facts(data, tags)}
        return expression.holds(told)


def element(data: FileDataset, keyword: str) -> str:
    """The text of an element at the top level, ``""`` where there is none; it may identify."""
    with one_reason("cannot be parsed"):
        return str(data.get(keyword) or "").strip()
