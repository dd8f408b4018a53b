"""What a scan needs to know of a DICOM file; small, so that those of a whole archive fit."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from mmap import ACCESS_READ, mmap
from pathlib import Path, PurePosixPath
from sys import intern
from typing import Literal

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
)

from medclean.archive.dicom import mosaic
from medclean.archive.dicom.frames import MULTI_FRAME, Image
from medclean.archive.dicom.functional import images_of
from medclean.archive.dicom.glance import Glance, glance
from medclean.archive.dicom.parse import Directory, NotAnImage, one_reason
from medclean.archive.dicom.transcode import opened
from medclean.archive.dicom.values import (
    Values,
    diffusion,
    integer,
    manner,
    number,
    numbers,
    real,
    text,
    texts,
    unsigned,
    vendor_component,
    vendor_scale,
)
from medclean.archive.limits import limits
from medclean.archive.selection import EVERYTHING, PATH, Selection
from medclean.archive.series import LeftOut, key_of
from medclean.errors import DataError

NATIVE = {
    "",  # no file meta: pydicom finds out which of them it is
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
}
_ALLOCATED = (8, 16, 32)
_PIXELS = 0x7FE00000  # the group that begins with them
_CONTRAST = ("EchoTime", "EchoNumbers", "InversionTime", "FlipAngle", "KVP")
_HEADS = {"HEAD", "BRAIN", "SKULL", "FACE", "HEADNECK", "ORBIT", "IAC", "WHOLEBODY", "SINUS", "JAW"}


@dataclass(frozen=True)
class Header:
    """Facts of one DICOM object, by the names of their elements.

    Attributes:
        path: Relative to the root of the scan.
        bytes: Size of the file.
        syntax: Transfer Syntax UID; ``""`` where the file has no file meta.
        sop_class: From the data set, else from the file meta; so is ``uid``.
        repaired: A Type 1 UID is empty or missing.
        notes: What is odd about it and harmless.
        context: Hash of Frame of Reference, study date, accession number and folder: what stands
            for a study where its UID is empty.
        component: Complex Image Component (0008,9208).
        rescale_type: US, not specified, where a table stands in place of slope and intercept: its
            values are not negative, so that they are no Hounsfield units.
        own: Contributing Equipment names medclean.
        pixels: ``"integer"``, ``"float"``, or ``""`` where there are none.
        available: Bytes that the file has for its pixels.
        position: Image Position (Patient), mm.
        orientation: Image Orientation (Patient): direction of the columns' index, of the rows'.
        spacing: Of rows and columns, mm.
        gap: Spacing Between Slices, else Slice Thickness, else 1; mm.
        contrast: What else tells images at one position apart: echo, inversion time, flip angle,
            tube voltage, kernel, percentage of the cardiac cycle, diffusion, how it was acquired.
        repetition: Repetition Time, ms.
        time: What orders images of one position: temporal position, trigger time, frame reference
            time, acquisition date and time.
        acquisition: Acquisition Number.
        trigger: Trigger Time, ms after the R wave.
        vendor_scale: Philips' scale slope (2005,xx0E).
        images: What functional groups say of each frame; none where there are no such groups.
        concatenation: Concatenation UID (0020,9161), of a multi-frame object in several files.
        tiles: How many tiles of a mosaic show a slice; 0 where the file is none, or does not say.
        patient: What tells patients apart: Patient ID and its issuer, ``""`` where there is none.
        burned_in: Burned In Annotation is YES.
        face: It shows a head, by Body Part Examined or Recognizable Visual Features.
        deselected: Why it is not asked for, ``""`` where it is.
    """

    path: str
    bytes: int
    syntax: str
    sop_class: str
    uid: str
    study_uid: str
    series_uid: str
    repaired: bool
    notes: tuple[str, ...]
    context: str
    modality: str
    image_type: tuple[str, ...]
    component: str
    rescale_type: str
    series_type: tuple[str, ...]
    units: str
    own: bool
    series_number: int | None
    instance_number: int | None
    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    allocated: int
    stored: int
    high: int
    signed: bool
    pixels: Literal["integer", "float", ""]
    available: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    gap: float
    contrast: tuple[Hashable, ...]
    repetition: float | None
    time: tuple[float, float, float, str]
    acquisition: int | None
    trigger: float | None
    vendor_scale: float | None
    images: tuple[Image, ...] = ()
    concatenation: str = ""
    tiles: int = 0
    patient: str = ""
    burned_in: bool = False
    face: bool = False
    deselected: str = ""

    @property
    def broken(self) -> str:
        """Why its pixels cannot be read, as far as the header shows it; else ``""``.

        Every product is Python's, without overflow, and bounded by what the file holds: a header
        alone never makes us allocate.
        """
        if not (self.rows and self.columns and self.frames > 0):
            return f"has {self.frames} frames of {self.rows} x {self.columns} pixels"
        if self.allocated not in _ALLOCATED or not 0 < self.stored <= self.allocated:
            return f"has Bits Allocated {self.allocated} and Bits Stored {self.stored}"
        if self.frames > limits().frames:
            return f"claims {self.frames} frames: {limits().passed('frames')}"
        needed = self.frames * self.rows * self.columns * self.samples * self.allocated // 8
        if needed > limits().pixels:
            return f"claims {needed >> 20} MiB of pixels: {limits().passed('pixels')}"
        least = needed if self.syntax in NATIVE else self.frames * 8  # an item each, PS3.5 A.4
        if least > self.available:
            return f"is cut off: it has {self.available} bytes of pixels and needs {least}"
        return ""


def read_headers(
    root: Path, paths: Sequence[str], selection: Selection = EVERYTHING
) -> list[Header | LeftOut]:
    """The headers of some files, or why there is none."""
    return [read_header(root, path, selection) for path in paths]


def read_header(root: Path, path: str, selection: Selection = EVERYTHING) -> Header | LeftOut:
    """The header of a file, or why there is none."""
    try:
        with one_reason("cannot be parsed"):
            found = glance(root / path, selection.tags)
            return detailed(header_of(found, path, selection), root / path)
    except NotAnImage as why:
        return LeftOut(path, "skipped", str(why), stays=isinstance(why, Directory))
    except DataError as error:
        return LeftOut(path, "failed", str(error))


def detailed(header: Header, file: Path) -> Header:
    """The header with what is known of single images: frames of a file, or tiles of a mosaic."""
    is_mosaic = header.sop_class == MRImageStorage and "MOSAIC" in header.image_type
    if header.broken or (header.sop_class not in MULTI_FRAME and not is_mosaic):
        return header
    with open(file, "rb") as content, mmap(content.fileno(), 0, access=ACCESS_READ) as data:
        elements = opened(data).elements.before(_PIXELS)
        if is_mosaic:
            alone = header.frames == 1
            tiles = mosaic.tiles_of(elements, header.rows, header.columns) if alone else 0
            return replace(header, tiles=tiles)
        images, whole = images_of(elements), elements.text("ConcatenationUID")
    return replace(header, images=images, concatenation=whole)


def header_of(found: Glance, path: str, selection: Selection = EVERYTHING) -> Header:
    """What a file says.

    Raises:
        NotAnImage: It says nothing that an image, or another DICOM object, would.
        DataError: Likewise, of a file that is marked as DICOM.
    """
    data, meta = found.values, found.meta
    sop_class, uid = text(data, "SOPClassUID"), text(data, "SOPInstanceUID")
    study, series = text(data, "StudyInstanceUID"), text(data, "SeriesInstanceUID")
    meta_class = meta("MediaStorageSOPClassUID")
    meta_uid = meta("MediaStorageSOPInstanceUID")
    rows, spacing = unsigned(data, "Rows"), numbers(data, "PixelSpacing", 2)
    trigger = number(data, "TriggerTime")
    if not (sop_class or meta_class or rows):
        if not found.marked:
            raise NotAnImage("not DICOM")
        raise DataError("cannot be parsed: it is marked as DICOM, and states no SOP Class")
    return Header(
        path=path,
        bytes=found.size,
        syntax=intern(meta("TransferSyntaxUID")),
        sop_class=intern(sop_class or meta_class),
        uid=uid or meta_uid,
        study_uid=intern(study),
        series_uid=intern(series),
        repaired=not (sop_class and uid and study and series),
        notes=_differences((sop_class, meta_class), (uid, meta_uid)),
        context=_context(data, path),
        modality=intern(text(data, "Modality")),
        image_type=_interned(texts(data, "ImageType")),
        component=intern(text(data, "ComplexImageComponent") or vendor_component(data)),
        rescale_type=intern("US" if found.has_lut else text(data, "RescaleType")),
        series_type=_interned(texts(data, "SeriesType")),
        units=intern(text(data, "Units")),
        own=any(maker.strip().casefold() == "medclean" for maker in found.makers),
        series_number=integer(data, "SeriesNumber"),
        instance_number=integer(data, "InstanceNumber"),
        rows=rows or 0,
        columns=unsigned(data, "Columns") or 0,
        frames=integer(data, "NumberOfFrames") or 1,
        samples=unsigned(data, "SamplesPerPixel") or 1,
        photometric=intern(text(data, "PhotometricInterpretation")),
        allocated=unsigned(data, "BitsAllocated") or 0,
        stored=unsigned(data, "BitsStored") or 0,
        high=unsigned(data, "HighBit") or 0,
        signed=unsigned(data, "PixelRepresentation") == 1,
        pixels=found.pixels,
        available=found.available,
        position=numbers(data, "ImagePositionPatient", 3),
        orientation=numbers(data, "ImageOrientationPatient", 6),
        spacing=spacing if spacing and min(spacing) > 0 else None,
        gap=abs(number(data, "SpacingBetweenSlices") or number(data, "SliceThickness") or 1.0),
        contrast=(
            *(number(data, key) for key in _CONTRAST),
            texts(data, "ConvolutionKernel"),
            real(data, "NominalPercentageOfCardiacPhase") if trigger is None else None,
            manner(data),
            *diffusion(data),
        ),
        repetition=number(data, "RepetitionTime"),
        time=(
            number(data, "TemporalPositionIdentifier") or 0.0,
            number(data, "TriggerTime") or 0.0,
            number(data, "FrameReferenceTime") or 0.0,
            text(data, "AcquisitionDateTime")
            or text(data, "AcquisitionDate") + text(data, "AcquisitionTime"),
        ),
        acquisition=integer(data, "AcquisitionNumber"),
        trigger=trigger,
        vendor_scale=vendor_scale(data),
        patient=intern(_patient(data)),
        burned_in=text(data, "BurnedInAnnotation") == "YES",
        face=text(data, "BodyPartExamined") in _HEADS
        or text(data, "RecognizableVisualFeatures") == "YES",
        deselected=intern(selection.refusal({PATH: (path,), **found.told(selection.tags)})),
    )


def _interned(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(intern, values))


def _differences(sop_class: tuple[str, str], uid: tuple[str, str]) -> tuple[str, ...]:
    """Where data set and file meta, in this order, both say something, and not the same."""
    pairs = {"SOP Class": sop_class, "SOP Instance": uid}
    return tuple(
        f"its file meta names another {what} UID"
        for what, (own, meta) in pairs.items()
        if own and meta and own != meta
    )


def _patient(data: Values) -> str:
    own = text(data, "PatientID")
    return f"{own}\\{text(data, 'IssuerOfPatientID')}" if own else ""


def _context(data: Values, path: str) -> str:
    stated = ("FrameOfReferenceUID", "StudyDate", "AccessionNumber")
    return key_of((*(text(data, keyword) for keyword in stated), str(PurePosixPath(path).parent)))
