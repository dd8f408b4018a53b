"""Small enhanced multi-frame DICOM files for tests, made from nothing."""

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
)

import dicoms

CLASSES = {
    "CT": EnhancedCTImageStorage,
    "MR": EnhancedMRImageStorage,
    "PT": EnhancedPETImageStorage,
}
TYPES = {
    "CT": "CTImageFrameTypeSequence",
    "MR": "MRImageFrameTypeSequence",
    "PT": "PETFrameTypeSequence",
}
_OF_CLASSIC = (
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
    *("RescaleSlope", "RescaleIntercept", "RescaleType", "EchoTime"),
)


def macro(**elements):
    """A sequence of one item."""
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return Sequence([item])


def frame(place=0.0, **more):
    """Functional groups of a frame: its position along z in mm, and macros by keyword."""
    position = [f"{value:g}" for value in (-10.0, -20.0, place)]
    groups = Dataset()
    groups.FrameContentSequence = macro(StackID="1", FrameAcquisitionNumber=1)
    groups.PlanePositionSequence = macro(ImagePositionPatient=position)
    for keyword, value in more.items():
        setattr(groups, keyword, value)
    return groups


def scaled(slope, intercept="0", kind="HU"):
    """A Pixel Value Transformation."""
    return macro(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType=kind)


def typed(*values, component="MAGNITUDE"):
    """An MR Image Frame Type."""
    return macro(
        FrameType=list(values),
        PixelPresentation="MONOCHROME",
        VolumetricProperties="VOLUME",
        VolumeBasedCalculationTechnique="NONE",
        ComplexImageComponent=component,
    )


def enhanced(frames, stored=None, *, modality="MR", shared=None, **how):
    """An enhanced object.

    Args:
        frames: As ``frame`` gives them.
        stored: ``(frames, rows, columns)``; a pattern if not given.
        modality: A key of ``CLASSES``.
        shared: Macros of all frames by keyword, beside or in place of the usual ones; None leaves
            one out.
        how: For ``dicoms.image``.
    """
    stored = dicoms.pattern((len(frames), 9, 8), bits=12) if stored is None else stored
    data = dicoms.image(np.asarray(stored), modality=modality, bits=how.pop("bits", 12), **how)
    for keyword in _OF_CLASSIC:
        data.pop(keyword, None)
    data.SOPClassUID = how.get("SOPClassUID", CLASSES[modality])
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.ImageType = how.get("ImageType", ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])
    data.ContentQualification = how.get("ContentQualification", "PRODUCT")
    orientation = [f"{value:g}" for value in how.get("orientation", (1, 0, 0, 0, 1, 0))]
    macros = {
        TYPES[modality]: typed("ORIGINAL", "PRIMARY", "VOLUME", "NONE"),
        "PlaneOrientationSequence": macro(ImageOrientationPatient=orientation),
        "PixelMeasuresSequence": macro(PixelSpacing=["0.75", "0.5"], SliceThickness="2.5"),
        "PixelValueTransformationSequence": scaled("1"),
    } | (shared or {})
    common = Dataset()
    for keyword, value in macros.items():
        if value is not None:
            setattr(common, keyword, value)
    data.SharedFunctionalGroupsSequence = Sequence([common])
    data.PerFrameFunctionalGroupsSequence = Sequence(frames)
    return data


LEGACY = (
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
)
