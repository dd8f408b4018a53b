"""Enhanced and legacy-converted objects: what stands in their functional groups (DICOM.md 1.6)."""

from collections.abc import Iterator

from pydicom.dataset import Dataset

from rules.content import NOT_OF_ENHANCED
from rules.pair import LEGACY, Broken, Pair, derivations, frame_items, sequence, text_of, value_of
from rules.provenance import source_item, source_uid

_TYPES = ("CTImageFrameTypeSequence", "MRImageFrameTypeSequence", "PETFrameTypeSequence")


def groups(pair: Pair) -> Iterator[Broken]:
    """A functional group stands in the shared or in the frames' own, never in both."""
    if not pair.enhanced:
        return
    shared = {
        e.keyword for g in sequence(pair.derived, "SharedFunctionalGroupsSequence") for e in g
    }
    frames = sequence(pair.derived, "PerFrameFunctionalGroupsSequence")
    for keyword in sorted(shared & {e.keyword for frame in frames for e in frame} - {""}):
        yield Broken("functional groups", f"{keyword} stands in shared and per-frame groups")
    before = sequence(pair.source, "PerFrameFunctionalGroupsSequence")
    for keyword in sorted(_of_some(frames) - _of_some(before)):
        yield Broken("functional groups", f"{keyword} stands in some frames, and not in others")
    if frames and len(frames) != int(text_of(pair.derived, "NumberOfFrames") or 1):
        yield Broken("functional groups", "there are not as many as frames")


def _of_some(frames: list[Dataset]) -> set[str]:
    """Macros that some frames have and others have not."""
    stated = [{element.keyword for element in frame} - {""} for frame in frames]
    return set().union(*stated) - set(stated[0]).intersection(*stated) if stated else set()


def frames(pair: Pair) -> Iterator[Broken]:
    """Each processed frame is DERIVED, and has one step more, with its sources."""
    if not pair.enhanced or not pair.steps:
        return
    before, after = derivations(pair.source), derivations(pair.derived)
    own = text_of(pair.derived, "SOPInstanceUID")
    known = evidence(pair.derived)
    types = list(frame_types(pair.derived))
    processed = 0
    for place, (old, new) in enumerate(zip(before, after, strict=False)):
        if new[: len(old)] != old or len(new) - len(old) > 1:
            yield Broken("derivation image", "is not what was there and one item of ours")
        if len(new) == len(old):
            continue
        processed += 1
        if place < len(types) and types[place][0] != "DERIVED":
            yield Broken("frame type", "value 1 of a processed frame is not DERIVED")
        if place < len(types) and not 4 <= len(types[place]) <= 5:
            yield Broken("frame type", "of a processed frame has not four values")
        items = sequence(new[-1], "SourceImageSequence")
        if not items:
            yield Broken("derivation image", "names no source image")
        for item in items:
            yield from source_item(item, own)
            yield from _numbers(item, pair)
            if text_of(item, "ReferencedSOPInstanceUID") not in known:
                yield Broken("evidence", "a source image is not in Source Image Evidence Sequence")
    if not processed:
        yield Broken("derivation image", "no frame has an item of ours")
    stated = text_of(pair.derived, "ImageType").split("\\")[0]
    first = {kind[0] for kind in types}
    if types and stated != (first.pop() if len(first) == 1 else "MIXED"):
        yield Broken("image type", "value 1 is not the common one of the frames")


def _numbers(item: Dataset, pair: Pair) -> Iterator[Broken]:
    """Frames that the source has; all of them where none is named (C.10.3)."""
    stated = [int(text) for text in text_of(item, "ReferencedFrameNumber").split("\\") if text]
    if text_of(item, "ReferencedSOPInstanceUID") == text_of(pair.source, "SOPInstanceUID"):
        most = int(text_of(pair.source, "NumberOfFrames") or 1)
        if not all(1 <= number <= most for number in stated):
            yield Broken("derivation image", "names a frame that its source has not")


def top_level(pair: Pair) -> Iterator[Broken]:
    """No modules that these IODs do not have, and what only research images say.

    Nor where the source has them: what they say there is of its pixels, or of how it was made.
    """
    if not pair.enhanced:
        return
    for keyword in sorted(NOT_OF_ENHANCED):
        if keyword in pair.derived:
            yield Broken("top level", f"{keyword} has no place there")
    tags = pair.derived.keys()
    if any(tag >> 24 == 0x60 for tag in tags):
        yield Broken("top level", "an overlay has no place there")
    stated = text_of(pair.derived, "ContentQualification")
    service = text_of(pair.source, "ContentQualification") == "SERVICE"
    if stated != ("SERVICE" if service else "RESEARCH"):
        yield Broken("content qualification", "is not RESEARCH")
    if pair.sop_class in LEGACY and any(_conversions(pair.derived)):
        yield Broken("top level", "ConversionSourceAttributesSequence is there")


def differences(pair: Pair) -> Iterator[Broken]:
    """Each frame of a residual is in the source's steps, without what speaks of other values."""
    if not (pair.enhanced and pair.residual and pair.steps):
        return
    for place, kind in enumerate(frame_types(pair.derived)):
        if kind[3:4] != ["SUBTRACTION"]:
            yield Broken("residual", f"value 4 of type of frame {place} is not SUBTRACTION")
    values = "PixelValueTransformationSequence"
    before, after = (frame_items(data, values) for data in (pair.source, pair.derived))
    for old, new in ((old[0], new[0]) for old, new in zip(before, after, strict=True) if old):
        if text_of(old, "RescaleSlope") not in ("", text_of(new, "RescaleSlope")):
            yield Broken("residual", "RescaleSlope of a frame is not the source's")
        if text_of(new, "RescaleIntercept") != "0":
            yield Broken("residual", "RescaleIntercept of a frame is not 0")
        if text_of(new, "RescaleType") == "HU":
            yield Broken("residual", "RescaleType of a frame is HU")
    for items in frame_items(pair.derived, "FrameVOILUTSequence"):
        if [value_of(item, "WindowCenter") for item in items] != [0]:
            yield Broken("residual", "a frame has no window around 0")
    if any(frame_items(pair.derived, "RealWorldValueMappingSequence")):
        yield Broken("residual", "RealWorldValueMappingSequence is there")
    source = source_uid(pair.source)
    for place, steps in enumerate(derivations(pair.derived), 1):
        named = [
            (text_of(item, "ReferencedSOPInstanceUID"), text_of(item, "ReferencedFrameNumber"))
            for step in steps[-1:]
            for item in sequence(step, "SourceImageSequence")
        ]
        if named[:1] != [(source, str(place))] or [n for _, n in named[1:]] != [str(place)]:
            yield Broken("residual", "does not name the frames of source and denoised image")


def evidence(data: Dataset) -> set[str]:
    """The instances of Source Image Evidence Sequence."""
    return {
        text_of(item, "ReferencedSOPInstanceUID")
        for study in sequence(data, "SourceImageEvidenceSequence")
        for series in sequence(study, "ReferencedSeriesSequence")
        for item in sequence(series, "ReferencedSOPSequence")
    }


def frame_types(data: Dataset) -> Iterator[list[str]]:
    """The values of Frame Type of each frame."""
    for found in zip(*(frame_items(data, keyword) for keyword in _TYPES), strict=True):
        for item in [item for items in found for item in items][:1]:
            yield text_of(item, "FrameType").split("\\")


def _conversions(data: Dataset) -> Iterator[bool]:
    yield "ConversionSourceAttributesSequence" in data
    for key in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in sequence(data, key):
            yield "ConversionSourceAttributesSequence" in group


RULES = (groups, frames, differences, top_level)
