"""Functional groups of a multi-frame object: what they say of each frame (PS3.3 C.7.6.16)."""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, nan
from struct import calcsize, iter_unpack
from typing import Any

from pydicom.datadict import dictionary_VR

from medclean.archive.dicom.elements import Elements, Key, tag_of
from medclean.archive.dicom.frames import Image
from medclean.archive.dicom.values import MANNER, PHILIPS_SCALE, diffusion_in, manner_of

SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
FRAME_TYPES = ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence")
UNASSIGNED = (  # what legacy conversion found no other place for
    "UnassignedPerFrameConvertedAttributesSequence",
    "UnassignedSharedConvertedAttributesSequence",
)
_NOTHING = Elements(b"", 0, 0)
_HEART = "CardiacSynchronizationSequence"
_TIMING = "MRTimingAndRelatedParametersSequence"
_MANNER = (  # what else frames of one position may differ in
    ("MRModifierSequence", "MagnetizationTransfer"),
    ("MRModifierSequence", "SpectrallySelectedExcitation"),
    ("MRArterialSpinLabelingSequence", "ASLContext"),
    ("MRReceiveCoilSequence", "ReceiveCoilName"),
    ("ContrastBolusUsageSequence", "ContrastBolusAgentAdministered"),
    ("CTReconstructionSequence", "ReconstructionAlgorithm"),
    ("RespiratorySynchronizationSequence", "NominalPercentageOfRespiratoryPhase"),
)
_PHILIPS_FRAME = "Philips MR Imaging DD 005"  # the creator of a sequence in each frame
_BINARY = {"FD": "d", "FL": "f", "UL": "L", "SL": "l", "US": "H", "SS": "h"}


@dataclass(frozen=True)
class Groups:
    """The macros that hold for one frame: its own, else those of all.

    Attributes:
        shared: The item of Shared Functional Groups.
        frame: An item of Per-frame Functional Groups.
    """

    shared: Elements
    frame: Elements

    def macro(self, *keywords: str) -> Elements:
        """The item of the first of these macros that is there; an empty one if none is."""
        for level in (self.frame, self.shared):
            for keyword in keywords:
                if keyword in level:
                    return next(iter(level.items(keyword)), _NOTHING)
        return _NOTHING

    @cached_property
    def unassigned(self) -> tuple[Elements, ...]:
        """What legacy conversion left as classic images have it, of this frame and of all."""
        return tuple(self.macro(keyword) for keyword in UNASSIGNED)

    @cached_property
    def trigger(self) -> float | None:
        """Trigger delay, ms after the R wave."""
        return self.number(_HEART, "NominalCardiacTriggerDelayTime", "TriggerTime")

    def number(self, macro: str, keyword: str, classic: str = "") -> float | None:
        """The first value of an attribute of a macro, else of its classic counterpart."""
        found = numbers(self.macro(macro), keyword)
        for level in self.unassigned if classic and not found else ():
            found = found or numbers(level, classic)
        return found[0] if found else None

    def classic(self, *keywords: str) -> str:
        """A text that legacy conversion left, such as a date and its time."""
        texts = ("".join(level.text(part) for part in keywords) for level in self.unassigned)
        return next(filter(None, texts), "")


def groups_of(data: Elements) -> list[Groups]:
    """The functional groups of each frame; none where there is not one item a frame.

    Raises:
        DataError: They cannot be taken apart.
    """
    frames = data.items(PER_FRAME)
    shared = next(iter(data.items(SHARED)), _NOTHING)
    count = numbers(data, "NumberOfFrames") or (1.0,)
    return [Groups(shared, frame) for frame in frames] if len(frames) == count[0] else []


def images_of(data: Elements) -> tuple[Image, ...]:
    """What the functional groups of a multi-frame object say of each of its frames.

    Args:
        data: The data set; its pixels are not looked at.

    Returns:
        One a frame, in order; none where there is not one item of functional groups a frame.

    Raises:
        DataError: They cannot be taken apart.
    """
    held: dict[Hashable, Any] = {}  # most values are the same in all frames: one object for all
    images = (_image(groups, data) for groups in groups_of(data))
    return tuple(
        Image._make(held.setdefault((field, value), value) for field, value in enumerate(image))
        for image in images
    )


def numbers(data: Elements, key: Key) -> tuple[float, ...]:
    """All values of a number, binary or decimal; none where one of them is not finite."""
    raw = data.value(key)
    if not raw:
        return ()
    try:
        if kind := _BINARY.get(_vr(data, tag_of(key), len(raw))):
            kind = data.order + kind
            whole = raw[: len(raw) // calcsize(kind) * calcsize(kind)]
            found = tuple(float(value) for (value,) in iter_unpack(kind, whole))
        else:
            found = tuple(map(float, data.text(key).split("\\")))
    except ValueError:
        return ()
    return found if all(map(isfinite, found)) else ()


def _image(groups: Groups, data: Elements) -> Image:
    kind, measures = groups.macro(*FRAME_TYPES), groups.macro("PixelMeasuresSequence")
    values, content = "PixelValueTransformationSequence", groups.macro("FrameContentSequence")
    spacing = _exactly(2, measures, "PixelSpacing")
    gap = numbers(measures, "SpacingBetweenSlices") or numbers(measures, "SliceThickness")
    moment = groups.number(
        "FrameContentSequence", "TemporalPositionIndex", "TemporalPositionIdentifier"
    )
    trigger = groups.trigger
    offset = groups.number(
        "TemporalPositionSequence", "TemporalPositionTimeOffset", "FrameReferenceTime"
    )
    return Image(
        type=tuple(part.strip(" \0") for part in kind.text("FrameType").split("\\")),
        component=kind.text("ComplexImageComponent"),
        calculated=kind.text("VolumeBasedCalculationTechnique") not in ("", "NONE"),
        rescale_type=groups.macro(values).text("RescaleType"),
        units=data.text("Units") or groups.classic("Units"),
        slope=_scale(groups.macro(values), "RescaleSlope"),
        intercept=_scale(groups.macro(values), "RescaleIntercept"),
        position=_exactly(3, groups.macro("PlanePositionSequence"), "ImagePositionPatient"),
        orientation=_exactly(
            6, groups.macro("PlaneOrientationSequence"), "ImageOrientationPatient"
        ),
        spacing=spacing if spacing and min(spacing) > 0 else None,
        gap=abs(gap[0] if gap else 0.0) or 1.0,
        contrast=_contrast(groups),
        repetition=groups.number(_TIMING, "RepetitionTime", "RepetitionTime"),
        time=(
            moment or 0.0,
            trigger or 0.0,
            offset or 0.0,
            content.text("FrameAcquisitionDateTime")
            or content.text("FrameReferenceDateTime")
            or groups.classic("AcquisitionDateTime")
            or groups.classic("AcquisitionDate", "AcquisitionTime"),
            tuple(map(int, numbers(content, "DimensionIndexValues"))),
        ),
        moment=moment,
        acquisition=groups.number(
            "FrameContentSequence", "FrameAcquisitionNumber", "AcquisitionNumber"
        ),
        trigger=trigger,
        vendor_scale=_vendor_scale(groups),
    )


def _vr(data: Elements, tag: int, size: int) -> str:
    """As written, else of the dictionary; a private element that states none is a float."""
    written = data.spans[tag].vr
    if written not in ("", "UN"):
        return written
    return {4: "FL", 8: "FD"}.get(size, "") if tag >> 16 & 1 else dictionary_VR(tag)


def _exactly(count: int, data: Elements, keyword: str) -> tuple[float, ...] | None:
    found = numbers(data, keyword)
    return found if len(found) == count else None


def _scale(values: Elements, keyword: str) -> float | None:
    """A slope or intercept; not a number where what stands there is none."""
    absent = nan if values.text(keyword) else None
    return next(iter(numbers(values, keyword)), absent)


def _contrast(groups: Groups) -> tuple[Hashable, ...]:
    """What may differ between the frames of one position, but not within a stack."""
    diffusion = groups.macro("MRDiffusionSequence")
    direction = next(iter(diffusion.items("DiffusionGradientDirectionSequence")), _NOTHING)
    places = (direction, *groups.unassigned)
    orientations = (numbers(level, "DiffusionGradientOrientation") for level in places)
    percentage = "NominalPercentageOfCardiacPhase"
    velocity = groups.macro("MRVelocityEncodingSequence")
    return (
        groups.macro("FrameContentSequence").text("StackID"),
        groups.number("MREchoSequence", "EffectiveEchoTime", "EchoTime"),
        groups.number("MRModifierSequence", "InversionTimes", "InversionTime"),
        groups.number(_TIMING, "FlipAngle", "FlipAngle"),
        groups.number("CTXRayDetailsSequence", "KVP", "KVP"),
        groups.macro("CTReconstructionSequence").text("ConvolutionKernel")
        or groups.classic("ConvolutionKernel"),
        groups.number("MRDiffusionSequence", "DiffusionBValue", "DiffusionBValue"),
        diffusion_in(groups.classic("SequenceName")),
        diffusion.text("DiffusionDirectionality"),
        _rounded(next(filter(None, orientations), ())),
        _rounded(numbers(velocity, "VelocityEncodingDirection")),
        groups.number(_HEART, percentage, percentage) if groups.trigger is None else None,
        *(groups.macro(macro).value(keyword) for macro, keyword in _MANNER),
        manner_of([groups.classic(keyword) for keyword in MANNER]),
    )


def _rounded(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(value, 3) + 0.0 for value in values)


def _vendor_scale(groups: Groups) -> float | None:
    """Philips' scale slope (2005,xx0E), not 0: of a frame, or as legacy conversion left it."""
    own = groups.frame.private(0x2005, _PHILIPS_FRAME, 0x0F)
    levels = (*(groups.frame.items(own) if own else ()), *groups.unassigned)
    for level in levels:
        scale = level.private(0x2005, PHILIPS_SCALE, 0x0E)
        if scale and (found := numbers(level, scale)):
            return found[0] or None
    return None
