"""What every instance of a derived series shares: settled once, in the main process."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from medclean.archive.derivation import Derivation
from medclean.archive.dicom.deidentify import Deidentification
from medclean.archive.dicom.frames import MULTI_FRAME
from medclean.archive.dicom.uids import series_uid
from medclean.archive.series import Frame, Group, Series

Located: TypeAlias = Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Source:
    """An image that a derived one was computed from.

    Attributes:
        sop_class: SOP Class UID.
        uid: SOP Instance UID.
        frames: Which of its frames, from 1; all where empty.
        series_uid: Of its series, if that is not the source series.
    """

    sop_class: str
    uid: str
    frames: tuple[int, ...] = ()
    series_uid: str = ""


@dataclass(frozen=True)
class Plan:
    """How the instances of one series become derived ones.

    Attributes:
        derivation: What is done.
        syntax: As ``--syntax`` has it.
        series_uid: Of the derived series.
        sources: What each instance is computed from, itself among it, by the path of its file.
        frames: What each processed frame of a multi-frame object is computed from, by the path of
            its file and by its number.
        left_out: What names the source instances that the derived series lacks; they enter both
            UIDs, and the series says that it is incomplete.
        located: Study and Series Instance UID of instances elsewhere, by SOP Instance UID: those
            that the source may refer to, such as the study's localizers.
        deidentification: What is done to hide whom they show; None where nothing is.
    """

    derivation: Derivation
    syntax: str
    series_uid: str
    sources: Mapping[str, tuple[Source, ...]]
    frames: Mapping[str, Mapping[int, tuple[Source, ...]]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    located: Located = field(default_factory=dict)
    deidentification: Deidentification | None = None

    def alone(self, path: str) -> "Plan":
        """The plan for one instance, by the path of its file: little to send to a worker."""
        frames = {path: self.frames[path]} if path in self.frames else {}
        return replace(self, sources={path: self.sources[path]}, frames=frames)


def plan(
    series: Series,
    derivation: Derivation,
    *,
    context: int | None = 1,
    syntax: str = "keep",
    left_out: Iterable[str] = (),
    located: Located | None = None,
    deidentification: Deidentification | None = None,
) -> Plan:
    """Settle what the instances of a derived series share.

    Args:
        series: The source.
        derivation: What is done to it.
        context: Neighbouring slices that each slice is computed from, itself among them; None for
            all of its group.
        syntax: ``"keep"``, ``"explicit"``, ``"rle"``, ``"jpeg2000"`` or ``"jpegls"``.
        left_out: What names the source instances that will be missing.
        located: As in ``Plan``.
        deidentification: Likewise.
    """
    names = tuple(sorted(left_out))
    return Plan(
        derivation,
        syntax,
        series_uid(series, derivation, names),
        _sources(series, context),
        _frame_sources(series, context),
        names,
        located or {},
        deidentification,
    )


def _sources(series: Series, context: int | None) -> dict[str, tuple[Source, ...]]:
    """For each instance, what its own frames are computed from, in order of the files."""
    used: list[set[Frame]] = [set() for _ in series.instances]
    for group in series.groups:
        if context is None:
            for instance in {frame.instance for frame in group.frames}:
                used[instance].update(group.frames)
            continue
        for place, frame in enumerate(group.frames):
            used[frame.instance].update(_window(group, place, context))
    files = zip(series.instances, used, strict=True)
    return {file.path: _named(series, frames) for file, frames in files}


def _frame_sources(series: Series, context: int | None) -> dict[str, dict[int, tuple[Source, ...]]]:
    """For each frame of a multi-frame object, what it is computed from."""
    sources: dict[str, dict[int, tuple[Source, ...]]] = {
        file.path: {} for file in series.instances if file.sop_class in MULTI_FRAME
    }
    for group in series.groups if sources else ():
        whole = _named(series, group.frames) if context is None else ()
        for place, frame in enumerate(group.frames):
            path = series.instances[frame.instance].path
            if path in sources:
                used = _window(group, place, context or 1)
                sources[path][frame.number] = whole or _named(series, used, one_by_one=True)
    return sources


def _window(group: Group, place: int, context: int) -> tuple[Frame, ...]:
    return group.frames[max(0, place - context // 2) : place + context // 2 + 1]


def _named(
    series: Series, frames: Iterable[Frame], *, one_by_one: bool = False
) -> tuple[Source, ...]:
    """Files and their frames, which go without saying where all are used, unless asked for."""
    numbers: dict[int, list[int]] = {}
    for frame in sorted(frames, key=lambda frame: (frame.instance, frame.number)):
        numbers.setdefault(frame.instance, []).append(frame.number + 1)
    files = ((series.instances[place], tuple(used)) for place, used in numbers.items())
    found = []
    for file, used in files:
        whole = len(used) == file.frames and not (one_by_one and file.sop_class in MULTI_FRAME)
        found.append(Source(file.sop_class, file.uid, () if file.tiles or whole else used))
    return tuple(found)
