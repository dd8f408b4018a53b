"""Enhanced and legacy-converted objects: what stands in their functional groups (DICOM.md 1.6)."""

from collections.abc import Iterator

from pydicom.dataset import Dataset

from rules.pair import LEGACY, Broken, Pair, derivations, sequence, text_of
from rules.provenance import source_item

_TYPES = ("CTImageFrameTypeSequence", "MRImageFrameTypeSequence", "PETFrameTypeSequence")
_NOT_TOP = (
    "SourceImageSequence",
    "DerivationCodeSequence",
    "DerivationDescription",
    "WindowCenter",
    "WindowWidth",
)


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
    if frames and len(frames) != int(text_of(pair.derived, "NumberOfFrames") or 1):
        yield Broken("functional groups", "there are not as many as frames")


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
        if place < len(types) and types[place] != "DERIVED":
            yield Broken("frame type", "value 1 of a processed frame is not DERIVED")
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
    if types and stated != (types[0] if len({*types}) == 1 else "MIXED"):
        yield Broken("image type", "value 1 is not the common one of the frames")


def _numbers(item: Dataset, pair: Pair) -> Iterator[Broken]:
    """Frames that the source has; all of them where none is named (C.10.3)."""
    stated = [int(text) for text in text_of(item, "ReferencedFrameNumber").split("\\") if text]
    if text_of(item, "ReferencedSOPInstanceUID") == text_of(pair.source, "SOPInstanceUID"):
        most = int(text_of(pair.source, "NumberOfFrames") or 1)
        if not all(1 <= number <= most for number in stated):
            yield Broken("derivation image", "names a frame that its source has not")


def top_level(pair: Pair) -> Iterator[Broken]:
    """Modules that these IODs do not have, and what only research images say."""
    if not pair.enhanced:
        return
    for keyword in _NOT_TOP:
        if keyword in pair.derived and keyword not in pair.source:
            yield Broken("top level", f"{keyword} has no place there")
    stated = text_of(pair.derived, "ContentQualification")
    service = text_of(pair.source, "ContentQualification") == "SERVICE"
    if stated != ("SERVICE" if service else "RESEARCH"):
        yield Broken("content qualification", "is not RESEARCH")
    if pair.sop_class in LEGACY and any(_conversions(pair.derived)):
        yield Broken("top level", "ConversionSourceAttributesSequence is there")


def evidence(data: Dataset) -> set[str]:
    """The instances of Source Image Evidence Sequence."""
    return {
        text_of(item, "ReferencedSOPInstanceUID")
        for study in sequence(data, "SourceImageEvidenceSequence")
        for series in sequence(study, "ReferencedSeriesSequence")
        for item in sequence(series, "ReferencedSOPSequence")
    }


def frame_types(data: Dataset) -> Iterator[str]:
    """Frame Type value 1 of each frame."""
    shared = _type(sequence(data, "SharedFunctionalGroupsSequence"))
    for frame in sequence(data, "PerFrameFunctionalGroupsSequence"):
        if word := _type([frame]) or shared:
            yield word


def _type(groups: list[Dataset]) -> str:
    items = [item for group in groups for key in _TYPES for item in sequence(group, key)]
    return text_of(items[0], "FrameType").split("\\")[0] if items else ""


def _conversions(data: Dataset) -> Iterator[bool]:
    yield "ConversionSourceAttributesSequence" in data
    for key in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in sequence(data, key):
            yield "ConversionSourceAttributesSequence" in group


RULES = (groups, frames, top_level)
