"""Makes the sample studies anew: ``python sample_data/make.py [FOLDER]``; needs nilearn.

Each run gives the same bytes. Nobody was scanned: see README.md.
"""

import sys
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import abdomen
import head
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

Array = NDArray[np.floating]

MR_ONE = 1000  # stored value of the brightest tissue
MR_SIGMA = 0.1  # of the 99.9th percentile of the clean series
CT_ZERO = 1024  # stored value of 0 HU
SEED = 20260101


def main(folder: Path) -> None:
    """Write ``mr`` and ``ct``, each with the series ``clean`` and ``noisy``."""
    rng = np.random.default_rng(SEED)
    clean = head.slices()
    noisy = head.noise(clean, MR_SIGMA * float(np.percentile(clean, 99.9)), rng)
    _write(folder / "mr" / "clean", clean * MR_ONE, _mr(1, "T1 ax, clean"))
    _write(folder / "mr" / "noisy", noisy * MR_ONE, _mr(2, "T1 ax, Rician noise of 10 %"))
    clean = abdomen.slices()
    noisy = clean + np.stack([abdomen.noise(image, rng) for image in clean])
    _write(folder / "ct" / "clean", clean + CT_ZERO, _ct(1, "Abdomen 5.0 soft, clean"))
    _write(folder / "ct" / "noisy", noisy + CT_ZERO, _ct(2, "Abdomen 5.0 soft, low dose"))


def _write(folder: Path, stored: Array, series: "_Series") -> None:
    """Write a series from its values and all that its instances have in common."""
    folder.mkdir(parents=True, exist_ok=True)
    values = np.rint(stored).clip(0, 4095).astype("<u2")
    for number, (image, z) in enumerate(zip(values, series.places, strict=True), start=1):
        instance = _instance(series, number, float(z), image)
        instance.save_as(folder / f"{number:02}.dcm", enforce_file_format=True)


def _instance(series: "_Series", number: int, z: float, image: NDArray[np.uint16]) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = series.SOPClassUID
    meta.MediaStorageSOPInstanceUID = _uid(f"{series.SeriesInstanceUID} {number}")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _uid("implementation")
    meta.ImplementationVersionName = "MEDCLEAN_SAMPLE"
    made = FileDataset("", series, file_meta=meta, preamble=bytes(128))
    made.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    made.InstanceNumber = number
    x, y = series.corner
    made.ImagePositionPatient = [x, y, z]
    made.SliceLocation = z
    made.Rows, made.Columns = image.shape
    made.PixelData = image.tobytes()
    made["PixelData"].VR = "OW"
    return made


class _Series(Dataset):
    """What all instances of a series share, and where its slices lie."""

    places: Array
    corner: tuple[float, float]


def _common(kind: str, number: int, description: str) -> _Series:
    """Patient, study, series, equipment and pixels: PS3.3 A.3 and A.4."""
    made = _Series()
    made.SpecificCharacterSet = "ISO_IR 100"
    made.StudyDate = made.SeriesDate = made.AcquisitionDate = made.ContentDate = "20260101"
    made.StudyTime, made.SeriesTime = "120000", f"120{number}00"
    made.AcquisitionTime = made.ContentTime = made.SeriesTime
    made.AccessionNumber = made.ReferringPhysicianName = ""
    made.Modality = kind
    made.Manufacturer = "Invented Imaging"
    made.ManufacturerModelName = f"Formula {kind}"
    made.InstitutionName = "No Institution"
    made.StationName = "NOWHERE"
    made.SoftwareVersions = "1"
    made.DeviceSerialNumber = "0"
    made.StudyDescription = "medclean sample, made by a script"
    made.SeriesDescription = description
    made.PatientName, made.PatientID = f"SAMPLE^{kind}", f"SAMPLE-{kind}"
    made.PatientBirthDate, made.PatientSex = "", "O"
    made.ImageComments = "Simulated. Not for diagnosis."
    made.StudyInstanceUID = _uid(f"{kind} study")
    made.SeriesInstanceUID = _uid(f"{kind} series {number}")
    made.FrameOfReferenceUID = _uid(f"{kind} frame of reference")
    made.StudyID, made.SeriesNumber, made.AcquisitionNumber = "1", number, number
    made.PatientPosition, made.PositionReferenceIndicator = "HFS", ""
    made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    made.PixelRepresentation = 0
    return made


def _mr(number: int, description: str) -> _Series:
    made = _common("MR", number, description)
    made.SOPClassUID = MRImageStorage
    made.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    made.BodyPartExamined, made.ProtocolName = "HEAD", "T1 SE AX"
    made.ScanningSequence, made.SequenceVariant, made.ScanOptions = "SE", "NONE", ""
    made.MRAcquisitionType, made.SequenceName = "2D", "*se2d1"
    made.MagneticFieldStrength, made.ImagingFrequency, made.ImagedNucleus = 3, 123.25, "1H"
    made.RepetitionTime, made.EchoTime, made.FlipAngle = 520, 9, 90
    made.EchoNumbers = made.EchoTrainLength = made.NumberOfAverages = 1
    made.PixelBandwidth, made.InPlanePhaseEncodingDirection = 220, "ROW"
    made.SliceThickness, made.SpacingBetweenSlices = 4, 5.5
    made.PixelSpacing = [head.SPACING, head.SPACING]
    made.WindowCenter, made.WindowWidth = 500, 1100
    made.places = head.PLACES
    edge = (head.SIZE - 1) / 2 * head.SPACING
    made.corner = (head.CENTRE[0] - edge, head.CENTRE[1] - edge)
    return made


def _ct(number: int, description: str) -> _Series:
    made = _common("CT", number, description)
    made.SOPClassUID = CTImageStorage
    made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.BodyPartExamined, made.ProtocolName = "ABDOMEN", "ABDOMEN PORTAL VENOUS"
    made.ContrastBolusAgent = "invented"
    made.KVP, made.XRayTubeCurrent, made.ExposureTime, made.Exposure = 120, 40, 500, 20
    made.ScanOptions, made.FilterType, made.ConvolutionKernel = "HELICAL MODE", "BODY", "SOFT"
    made.GantryDetectorTilt, made.TableHeight, made.RotationDirection = 0, 150, "CW"
    made.DataCollectionDiameter = made.ReconstructionDiameter = abdomen.SIZE * abdomen.SPACING
    made.SliceThickness = 5
    made.PixelSpacing = [abdomen.SPACING, abdomen.SPACING]
    made.RescaleIntercept, made.RescaleSlope, made.RescaleType = -CT_ZERO, 1, "HU"
    made.WindowCenter, made.WindowWidth = 60, 400
    made.places = abdomen.PLACES
    edge = (abdomen.SIZE - 1) / 2 * abdomen.SPACING
    made.corner = (-edge, -edge)
    return made


def _uid(name: str) -> UID:
    """The same for the same name, at every run (PS3.5 B.2)."""
    return UID(f"2.25.{uuid5(NAMESPACE_URL, 'medclean sample: ' + name).int}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
