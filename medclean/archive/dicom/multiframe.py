"""What a derived multi-frame object says of itself and of its frames (PS3.3 C.7.6.16, C.8.16)."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Self, TypeAlias

from medclean.archive.derivation import Derivation
from medclean.archive.dicom.codes import code_item
from medclean.archive.dicom.elements import Changes, Elements, Item
from medclean.archive.dicom.functional import (
    FRAME_TYPES,
    PER_FRAME,
    SHARED,
    UNASSIGNED,
    Groups,
    groups_of,
)
from medclean.archive.dicom.plan import Plan, Source
from medclean.archive.dicom.references import (
    Tree,
    place,
    references,
    series_items,
    source_item,
)
from medclean.archive.dicom.transcode import contents, transcoded
from medclean.archive.dicom.uids import hashed_uid
from medclean.archive.series import Instance, Series

_Sources: TypeAlias = tuple[Source, ...]
_UNUSED = (  # of modules that these objects do not have: General Image, VOI LUT
    *("SourceImageSequence", "DerivationDescription", "DerivationCodeSequence"),
    *("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation"),
    *("VOILUTFunction", "VOILUTSequence"),
)
_OVERLAYS = range(0x6000, 0x6100)
_CONCATENATION = ("ConcatenationUID", "SOPInstanceUIDOfConcatenationSource")
_DERIVATION = "DerivationImageSequence"
_EMPTY = {_DERIVATION}  # of type 2: what some frames have, the others have without items
_EVIDENCE, _INSTANCES = "SourceImageEvidenceSequence", "ReferencedSOPSequence"
_EXTREMES = ("SmallestImagePixelValue", "LargestImagePixelValue")
_ABSENT = ("VOLUME", "NONE")  # what values 3 and 4 of a type are where there are none


def of_frames(source: Elements, series: Series, file: Instance, plan: Plan) -> Changes:
    """What changes in a multi-frame data set: its type, and derivation and sources of each frame.

    Frames that were not processed keep what they say. A source without functional groups has no
    place for sources: that it is derived then stands in its Image Type and equipment only.

    Args:
        source: The source's data set.
        series: The source series.
        file: Which of its files this is.
        plan: What the derived series' instances share.
    """
    groups, processed = groups_of(source), plan.frames[file.path]
    changes: Changes = {
        **dict.fromkeys(_UNUSED),
        **dict.fromkeys(tag for tag in source.spans if tag >> 16 in _OVERLAYS),
        "ImageType": image_type(source, groups, processed, plan.derivation),
        **_concatenation(source, plan),
    }
    if source.text("ContentQualification") != "SERVICE":
        changes["ContentQualification"] = "RESEARCH"
    if not groups:
        return changes
    revision = Revision(source, groups)
    # What the frames were converted from would make the new object another view of the originals.
    originals = revision.remove("ConversionSourceAttributesSequence")
    typed = partial(_typed, source, plan.derivation)
    for keyword in FRAME_TYPES:
        revision.revise(keyword, processed, typed)
    for keyword in UNASSIGNED:
        revision.revise(keyword, processed, partial(without, source, _EXTREMES))
    step = partial(_with_step, plan.derivation, processed, file.passed)
    revision.revise(_DERIVATION, processed, step)
    uids = {item.text("ReferencedSOPInstanceUID") for item in originals}
    known = references(source, series, plan.sources[file.path], plan.located, dropped=uids)
    del known["SourceImageSequence"]
    return {
        **changes,
        **known,
        _EVIDENCE: _evidence(source, series, processed.values()),
        **revision.changes,
    }


def image_type(
    source: Elements, groups: Sequence[Groups], processed: Collection[int], derivation: Derivation
) -> str:
    r"""Image Type of a multi-frame object, out of its frames' (C.8.16.1).

    Value 1 is DERIVED, or MIXED where frames that were not processed differ; value 2 is PRIMARY.
    Values 3 and 4 stay; where there are none, the frames' count, else ``VOLUME\NONE``. Value 4 of
    a residual is SUBTRACTION.

    Args:
        source: The source's data set.
        groups: Its functional groups.
        processed: Numbers of the frames that were processed, from 0.
        derivation: What was done.
    """
    values = [value.strip(" \0") for value in source.text("ImageType").split("\\")]
    types = [[v.strip(" \0") for v in _frame_type(group).split("\\")] for group in groups]
    first = {
        "DERIVED" if number in processed else kind[0] or values[0]
        for number, kind in enumerate(types)
    } or {"DERIVED"}
    values[:2] = first.pop() if len(first) == 1 else "MIXED", "PRIMARY"
    for absent in _ABSENT[len(values) - 2 :]:
        stated = [kind[len(values)] for kind in types if len(kind) > len(values)]
        differ = absent == "NONE" and len({*stated}) > 1  # value 3 is never MIXED
        values.append("MIXED" if differ else next(filter(None, stated), absent))
    return "\\".join(_contrasted(values, derivation))


class Revision:
    """The functional groups of a data set as they are rewritten: each in one place only.

    Args:
        source: The data set.
        groups: Its groups, of every frame.
    """

    def __init__(self, source: Elements, groups: Sequence[Groups]) -> None:
        self._shared = _as_in(source, groups[0].shared)
        self._frames = [_as_in(source, group.frame) for group in groups]
        self._has_shared = bool(source.items(SHARED))
        self._of_all: Changes = {}
        self._of_each: list[Changes] = [{} for _ in groups]

    @classmethod
    def of(cls, source: Elements, changes: Changes) -> Self:
        """One that goes on from the changes of another; of nothing where they are of no groups."""
        levels = [_items_in(source, changes.get(keyword)) for keyword in (SHARED, PER_FRAME)]
        shared = next(iter(levels[0]), Elements(b"", 0, 0))
        return cls(source, [Groups(shared, frame) for frame in levels[1]])

    def revise(
        self,
        keyword: str,
        processed: Collection[int],
        new: Callable[[list[bytes], int], list[Item]],
    ) -> None:
        """Give a macro of some frames other items.

        It stays with all frames, or with each; where it can no longer be the same for all, or was
        in both places, it moves to each.

        Args:
            keyword: Of the macro.
            processed: Numbers of the frames, from 0.
            new: Makes its items, of those that a frame has and of its number.
        """
        in_shared = keyword in self._shared
        in_frames = any(keyword in frame for frame in self._frames)
        common = contents(self._shared, keyword)
        made: list[list[Item]] = []
        for number, frame in enumerate(self._frames):
            before = contents(frame, keyword) if keyword in frame else common
            after: list[Item] = [*before]
            made.append(new(before, number) if number in processed else after)
        if not (in_shared or in_frames or any(made)):
            return
        if self._has_shared and not in_frames and all(items == made[0] for items in made):
            self._of_all[keyword] = made[0]
            return
        if in_shared:
            self._of_all[keyword] = None
        for frame, changes, items in zip(self._frames, self._of_each, made, strict=True):
            if items or in_shared or keyword in frame or keyword in _EMPTY:
                changes[keyword] = items

    def remove(self, keyword: str) -> list[Elements]:
        """Remove a macro, wherever it stands; returns its items."""
        for changes in (self._of_all, *self._of_each):
            changes[keyword] = None
        return [item for level in (self._shared, *self._frames) for item in level.items(keyword)]

    @property
    def changes(self) -> Changes:
        """The groups as they shall stand in the data set."""
        pairs = zip(self._frames, self._of_each, strict=True)
        changed: Changes = {PER_FRAME: [frame.patched(changes) for frame, changes in pairs]}
        if self._has_shared:
            changed[SHARED] = [self._shared.patched(self._of_all)]
        return changed


def _frame_type(groups: Groups) -> str:
    return groups.macro(*FRAME_TYPES).text("FrameType")


def without(source: Elements, keys: Iterable[str], items: list[bytes], _: int) -> list[Item]:
    """Items without some elements."""
    return [part.patched(dict.fromkeys(keys)) for part in _items_in(source, items)]


def _typed(source: Elements, derivation: Derivation, items: list[bytes], _: int) -> list[Item]:
    r"""Frame Type ``DERIVED\PRIMARY``; value 3 and later stay (C.8.16.1).

    Where there are none, they are those of Image Type, if it states one for all frames.
    """
    whole = [value.strip(" \0") for value in source.text("ImageType").split("\\")]
    typed: list[Item] = []
    for kind in _items_in(source, items):
        values = [value.strip(" \0") for value in kind.text("FrameType").split("\\")]
        values[:2] = "DERIVED", "PRIMARY"
        for absent in _ABSENT[len(values) - 2 :]:
            stated = "".join(whole[len(values) : len(values) + 1])
            values.append(absent if stated in ("", "MIXED") else stated)
        typed.append(kind.patched({"FrameType": "\\".join(_contrasted(values, derivation))}))
    return typed


def _contrasted(values: list[str], derivation: Derivation) -> list[str]:
    """A type whose value 4, Derived Pixel Contrast, says that images were subtracted (C.8.16.1.4).

    What else a model does is not among its terms.
    """
    subtracted = ["SUBTRACTION"] if derivation.role == "residual" else values[3:4]
    return [*values[:3], *subtracted, *values[4:]]


def _with_step(
    derivation: Derivation,
    sources: Mapping[int, _Sources],
    passed: Collection[int],
    items: list[bytes],
    number: int,
) -> list[Item]:
    """One item more in the Derivation Image macro, for our step (C.7.6.16.2.6).

    A residual was subtracted of frames, too, that the model passed.
    """
    codes = derivation.codes[-1:] if number in passed else derivation.codes
    ours: Item = {
        "DerivationDescription": derivation.description,
        "DerivationCodeSequence": [code_item(code) for code in codes],
        "SourceImageSequence": [source_item(image) for image in sources[number]],
    }
    return [*items, ours]


def _evidence(source: Elements, series: Series, sources: Iterable[_Sources]) -> list[Item]:
    """Where the sources are, of earlier steps too: Hierarchical SOP Instance Reference."""
    tree: Tree = {}
    for study in source.items(_EVIDENCE):
        for known in study.items("ReferencedSeriesSequence"):
            for item in known.items(_INSTANCES):
                where = study.text("StudyInstanceUID"), known.text("SeriesInstanceUID")
                uid = item.text("ReferencedSOPInstanceUID")
                place(tree, *where, uid, item.text("ReferencedSOPClassUID"))
    for image in dict.fromkeys(image for images in sources for image in images):
        of = image.series_uid or series.series_uid
        place(tree, series.study_uid, of, image.uid, image.sop_class)
    return [
        {"StudyInstanceUID": study, "ReferencedSeriesSequence": series_items(found, _INSTANCES)}
        for study, found in tree.items()
    ]


def _concatenation(source: Elements, plan: Plan) -> Changes:
    """New UIDs, equal in all parts, of the whole that the parts are of (C.7.6.16.1)."""
    return {
        keyword: hashed_uid(("medclean-concatenation-1", plan.series_uid, keyword, uid))
        for keyword in _CONCATENATION
        if (uid := source.text(keyword))
    }


def _items_in(source: Elements, items: object) -> list[Elements]:
    """Encoded items, taken apart; none of what is no list."""
    parts = items if isinstance(items, list) else []
    return [Elements(part, 0, len(part), source.explicit) for part in parts]


def _as_in(source: Elements, level: Elements) -> Elements:
    """An item encoded as its data set is, also where it lay in an element of unknown VR."""
    if level.explicit == source.explicit:
        return level
    data = transcoded(level)
    return Elements(data, 0, len(data))
