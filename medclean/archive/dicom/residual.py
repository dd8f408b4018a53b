"""What a residual image says otherwise than the denoised one: DICOM.md 1.7.

Its stored values and those of the denoised image add up to the source's.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import CTImageStorage

from medclean.archive.dicom.elements import Changes, Elements, Item, Value, tag_of
from medclean.archive.dicom.frames import MULTI_FRAME
from medclean.archive.dicom.functional import PER_FRAME, UNASSIGNED, groups_of, numbers
from medclean.archive.dicom.multiframe import Revision, without
from medclean.archive.dicom.plan import Plan, Source
from medclean.archive.dicom.uids import instance_uid, series_uid
from medclean.archive.numbers import Stored
from medclean.archive.series import Series

SHOWN = 99  # percent of the pixels that the window shows without clipping
WIDEST = 1e307  # ten times as much is a number still
_REAL_WORLD = "RealWorldValueMappingSequence"
_GONE = (  # what speaks of the source's values and not of differences between them
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "WindowCenterWidthExplanation",
    _REAL_WORLD,
    "HistogramSequence",
)
_WINDOW = ("WindowCenter", "WindowWidth", "VOILUTFunction")
_VALUES, _SLOPE = "PixelValueTransformationSequence", "RescaleSlope"


def refusal(series: Series) -> str:
    """Why a series can have no residual; ``""`` where it can."""
    if any(file.bare and file.sop_class in MULTI_FRAME for file in series.instances):
        return "of an object without functional groups, it would not say what it is"
    return ""


def of_difference(
    plan: Plan, source: Elements, series: Series, instance: int, stored: Stored
) -> Plan:
    """The plan for one residual, which is computed from the source and from what that became.

    Args:
        plan: Of the series of residuals.
        source: The source's data set.
        series: The source series.
        instance: Which of its files this is.
        stored: What was removed.
    """
    file = series.instances[instance]
    images = (Source(file.sop_class, file.uid), _denoised(source, series, instance, plan, stored))
    numbers = range(len(stored.array)) if file.sop_class in MULTI_FRAME else ()
    frames = {n: tuple(replace(image, frames=(n + 1,)) for image in images) for n in numbers}
    return replace(plan, sources={file.path: images}, frames={file.path: frames})


def residual(source: Elements, sop_class: str, stored: Stored, derived: Changes) -> Changes:
    """What changes in a data set on top of ``derive.derived``.

    Args:
        source: The source's data set.
        sop_class: SOP Class UID.
        stored: What was removed.
        derived: What changes in any derived object.
    """
    rescale = _rescale(source, is_ct=sop_class == CTImageStorage)
    changes: Changes = {
        **dict.fromkeys(_GONE),
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        **rescale,
    }
    if modality := MULTI_FRAME.get(sop_class):
        return changes | _of_frames(source, modality == "CT", stored.array, derived)
    changes.update(_windowed(stored.array, 1.0 if _SLOPE in rescale else _slope(source)).items())
    return changes


def window(removed: NDArray[np.integer], slope: float) -> float:
    """Width in real-world units: of the 1, 2, 5, 10, 20, ... the least that shows nearly all.

    So the images of a series mostly get the same one.

    Args:
        removed: ``(frames, rows, columns)``.
        slope: Real-world units a stored one.
    """
    reach = float(np.percentile(np.abs(removed.astype(np.int32)), SHOWN))
    least = min(2 * max(reach, 1.0) * abs(slope), WIDEST)
    power = 10.0 ** np.floor(np.log10(least))
    return next(float(power * step) for step in (1, 2, 5, 10) if power * step >= least)


def _of_frames(
    source: Elements, is_ct: bool, removed: NDArray[np.integer], derived: Changes
) -> Changes:
    """The same in functional groups, which say it of each frame: also of those that were passed."""
    if PER_FRAME not in derived:
        return {}
    revision, frames = Revision.of(source, derived), range(len(removed))
    common: Changes = {}  # of frames that state none
    if source.text(_SLOPE):
        slope = source.spans[tag_of(_SLOPE)].vr or "DS", source.value(_SLOPE)
        common = {_SLOPE: slope, "RescaleIntercept": "0"}
    macros = [group.macro(_VALUES) for group in groups_of(source)]
    slopes = [_slope(values if values.text(_SLOPE) else source) for values in macros]

    def rescaled(items: list[bytes], _: int) -> list[Item]:
        if not (items or is_ct):
            return []
        whole = items[0] if items else b""
        values = Elements(whole, 0, len(whole), source.explicit)
        stated = {} if values.text(_SLOPE) else common
        return [values.patched({**_rescale(values, is_ct=is_ct), **stated})]

    def windowed(_: list[bytes], number: int) -> list[Item]:
        return [_windowed(removed[number : number + 1], slopes[number])]

    revision.remove(_REAL_WORLD)
    revision.revise(_VALUES, frames, rescaled)
    revision.revise("FrameVOILUTSequence", frames, windowed)
    for keyword in UNASSIGNED:
        revision.revise(keyword, frames, partial(without, source, (*_GONE, *_WINDOW)))
    return revision.changes


def _slope(values: Elements) -> float:
    """The first slope that is stated; the reader has found it to be one."""
    return next(iter(numbers(values, _SLOPE)), 1.0)


def _windowed(removed: NDArray[np.integer], slope: float) -> Mapping[str, Value]:
    """A window around 0; of linear ones only the exact is symmetric, and may be narrower than 1."""
    width = window(removed, slope)
    return dict(zip(_WINDOW, ("0", f"{width:g}", "LINEAR_EXACT"), strict=True))


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


def _rescale(source: Elements, *, is_ct: bool) -> Changes:
    """The source's slope, byte for byte, and intercept 0 (PS3.3 C.11.1).

    No difference of Hounsfield units is one: where they are stated or meant, the type becomes US.
    Without any of it, no module is added, but for CT, which must have it.
    """
    table = "ModalityLUTSequence" in source
    if not (is_ct or table or _SLOPE in source or "RescaleIntercept" in source):
        return {}
    changes: Changes = {"RescaleIntercept": "0"}
    if table or not source.text(_SLOPE):
        changes[_SLOPE] = "1"
    if is_ct or table or source.text("RescaleType") == "HU":
        changes["RescaleType"] = "US"
    return changes
