"""What a residual image says otherwise than the denoised one: DICOM.md 1.7.

Its stored values and those of the denoised image add up to the source's.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import CTImageStorage

from medclean.archive.dicom.elements import Changes, Elements
from medclean.archive.dicom.frames import MULTI_FRAME
from medclean.archive.dicom.plan import Plan, Source
from medclean.archive.dicom.references import references
from medclean.archive.dicom.uids import instance_uid, series_uid
from medclean.archive.numbers import Stored
from medclean.archive.series import Series

SHOWN = 99  # percent of the pixels that the window shows without clipping
_GONE = (  # what speaks of the source's values and not of differences between them
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "WindowCenterWidthExplanation",
    "RealWorldValueMappingSequence",
    "HistogramSequence",
)


def refusal(series: Series) -> str:
    """Why a series can have no residual; ``""`` where it can."""
    if any(instance.sop_class in MULTI_FRAME for instance in series.instances):
        return "that of enhanced multi-frame images is not supported yet"
    return ""


def residual(
    source: Elements, series: Series, instance: int, plan: Plan, stored: Stored
) -> Changes:
    """What changes in a data set on top of ``derive.derived``.

    Args:
        source: The source's data set.
        series: The source series.
        instance: Which of its files this is.
        plan: Of the series of residuals.
        stored: What was removed.
    """
    file = series.instances[instance]
    images = (Source(file.sop_class, file.uid), _denoised(source, series, instance, plan, stored))
    rescale = _rescale(source, file.sop_class)
    slope = "1" if "RescaleSlope" in rescale else source.text("RescaleSlope").split("\\")[0]
    return {
        **dict.fromkeys(_GONE),
        **references(source, series, images, plan.located),
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        **rescale,
        "WindowCenter": "0",
        "WindowWidth": f"{window(stored.array, float(slope or 1)):g}",
        "VOILUTFunction": "LINEAR_EXACT",  # the other is not symmetric, and wants widths above 1
    }


def window(removed: NDArray[np.integer], slope: float) -> float:
    """Width in real-world units: of the 1, 2, 5, 10, 20, ... the least that shows nearly all.

    So the images of a series mostly get the same one.

    Args:
        removed: ``(frames, rows, columns)``.
        slope: Real-world units a stored one.
    """
    reach = float(np.percentile(np.abs(removed.astype(np.int32)), SHOWN))
    least = 2 * max(reach, 1.0) * abs(slope)
    power = 10.0 ** np.floor(np.log10(least))
    return next(float(power * step) for step in (1, 2, 5, 10) if power * step >= least)


def _denoised(
    source: Elements, series: Series, instance: int, plan: Plan, stored: Stored
) -> Source:
    """The other image that this one is computed from; its UIDs follow from the same facts."""
    file, derivation = series.instances[instance], replace(plan.derivation, role="image")
    uid = instance_uid(
        series,
        file,
        derivation,
        plan.left_out,
        position=source.text("ImagePositionPatient"),
        number=source.text("InstanceNumber"),
        source=stored.source,
        result=stored.denoised,
    )
    of = series_uid(series, derivation, plan.left_out)
    return Source(file.sop_class, uid, series_uid=of)


def _rescale(source: Elements, sop_class: str) -> Changes:
    """The source's slope, byte for byte, and intercept 0 (PS3.3 C.11.1).

    No difference of Hounsfield units is one: where they are stated or meant, the type becomes US.
    Without any of it, no module is added, but for CT, which must have it.
    """
    is_ct = sop_class == CTImageStorage
    table = "ModalityLUTSequence" in source
    if not (is_ct or table or "RescaleSlope" in source or "RescaleIntercept" in source):
        return {}
    changes: Changes = {"RescaleIntercept": "0"}
    if table or not source.text("RescaleSlope"):
        changes["RescaleSlope"] = "1"
    if is_ct or table or source.text("RescaleType") == "HU":
        changes["RescaleType"] = "US"
    return changes
