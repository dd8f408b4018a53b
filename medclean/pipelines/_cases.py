"""The stacks of slices that an archive holds, whose they are, and what they were made from."""

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from pydicom.dataset import Dataset

from medclean.archive.about import by_path
from medclean.archive.dicom.parse import NotAnImage, one_reason, parse_header
from medclean.archive.runs import RUN_FOLDER
from medclean.archive.segmentation import scan as segmentation
from medclean.archive.segmentation.planes import joined, laid_onto
from medclean.archive.segmentation.read import planes as read_planes
from medclean.archive.series import Affine, Group, LeftOut, Series
from medclean.archive.workers import Workers
from medclean.errors import DataError, NothingToDo
from medclean.log import Log
from medclean.pipelines._inputs import Inputs, find

OF_DICOM = ("dicom", "segmentation")  # formats whose headers say whose they are

_RESIDUALS = "residual/"  # where a run puts what it removed


class About(NamedTuple):
    """What the first file of a stack says.

    Attributes:
        patient: Patient ID; a tag's value, which is never shown.
        sources: SOP Instance UIDs of the images that it was computed from.
        place: Frame of Reference UID.
        segments: Of a segmentation: number and code of each.
    """

    patient: str = ""
    sources: frozenset[str] = frozenset()
    place: str = ""
    segments: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, eq=False)
class Case:
    """A stack of slices: a group of a series.

    Attributes:
        root: What the paths of its series are relative to.
        series: That it is of.
        group: Index in ``series.groups``.
        about: What its first file says; ``patient`` may be a tag's value.
    """

    root: Path
    series: Series
    group: int
    about: About

    @property
    def patient(self) -> str:
        """Whose it is, ``""`` where nothing tells."""
        return self.about.patient

    @property
    def sources(self) -> frozenset[str]:
        """SOP Instance UIDs of images that it was computed from."""
        return self.about.sources

    @property
    def name(self) -> str:
        """Path of its first file."""
        return self.series.instances[self.series.groups[self.group].frames[0].instance].path

    @property
    def key(self) -> str:
        """What its name in reports is made from."""
        return self.series.key + (f" {self.group}" if len(self.series.groups) > 1 else "")

    @cached_property
    def uids(self) -> frozenset[str]:
        """SOP Instance UIDs of its files; none of NIfTI."""
        frames = self.series.groups[self.group].frames
        return frozenset(self.series.instances[f.instance].uid for f in frames) - {""}

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""
        group = self.series.groups[self.group]
        return (len(group.frames), *group.shape)

    @property
    def affine(self) -> Affine:
        """As in ``Group``."""
        return self.series.groups[self.group].affine

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Of slices, rows and columns, in mm."""
        return self.series.groups[self.group].spacing

    @property
    def segmented(self) -> bool:
        """Whether it is a DICOM segmentation, which has planes, and no grid."""
        return self.series.format == "segmentation"

    def onto(self, other: "Case") -> "Case":
        """A segmentation on the slices of another case, if its planes lie on them; else itself."""
        if not self.segmented:
            return self
        planes = read_planes(self.root / self.series.instances[0].path)
        group = laid_onto(planes, other.affine, other.shape)
        return self._as(group) if group else self

    def with_room_for(self, others: "Sequence[Case]") -> "Case":
        """A segmentation with empty slices, so that what it is compared with lies on its grid."""
        if not self.segmented:
            return self
        for case in others:
            if not case.segmented and (whole := self.onto(case)) is not self:
                return whole
        planes = read_planes(self.root / self.series.instances[0].path)
        alike = [case for case in others if case.segmented and case.about.place == self.about.place]
        more = [read_planes(case.root / case.series.instances[0].path) for case in alike]
        group = joined(planes, more)
        return self._as(group) if group else self

    def _as(self, group: Group) -> "Case":
        return replace(self, series=replace(self.series, groups=(group,)), group=0)


class Cases(NamedTuple):
    """What an archive holds: its stacks by path, and files that failed."""

    cases: tuple[Case, ...]
    failed: tuple[LeftOut, ...]


def cases_of(
    path: Path,
    workers: Workers,
    log: Log,
    *,
    modality: str | None = None,
    patient: str | None = None,
    segmentations: bool = False,
) -> Cases:
    """The stacks below a path, of every kind, also what medclean made; residuals are none.

    Args:
        path: A folder or a file.
        workers: Read the headers.
        log: Told how far it is.
        modality: Of NIfTI files that do not state one.
        patient: Regular expression, see ``EvaluateJob``.
        segmentations: Take those of DICOM, too.

    Raises:
        UsageError: No such path, or a bad expression.
        NothingToDo: It holds no image.
    """
    inputs = Inputs.of([path])
    found = find(inputs, workers, log, include=("all",), modality=modality)
    a_run = (inputs.root / RUN_FOLDER).is_dir()
    kept = [s for s in found.series if not (a_run and _is_residual(s))]
    failed = [left for left in found.left_out if left.status == "failed"]
    if segmentations:
        skipped = [left.path for left in found.left_out if left.status == "skipped"]
        more = segmentation.scan(inputs.root, skipped)
        kept = sorted([*kept, *more.series], key=lambda one: one.instances[0].path)
        failed += more.left_out
    whose = by_path(patient)
    stacks = [(series, group) for series in kept for group in range(len(series.groups))]
    if not stacks:
        why = f"; {failed[0].path}: {failed[0].reason}" if failed else ""
        raise NothingToDo(f"{path} holds no image that can be compared{why}")
    first = [inputs.root / s.instances[s.groups[g].frames[0].instance].path for s, g in stacks]
    dicom = {p for (s, _), p in zip(stacks, first, strict=True) if s.format in OF_DICOM}
    stated = {place: _told(task) for place, task in workers.map(about, sorted(dicom))}
    cases = []
    for (series, group), place in zip(stacks, first, strict=True):
        said = stated.get(place) or About(whose(series.instances[0].path))
        cases.append(Case(inputs.root, series, group, said))
    return Cases(tuple(cases), tuple(failed))


def _told(task: "Future[About]") -> About:
    """What a file says; nothing where it took its worker along, as its pixels will tell."""
    try:
        return task.result()
    except DataError:
        return About()


def about(path: Path) -> About:
    """What a DICOM file says of its patient and its sources; can run in a worker."""
    try:
        header = parse_header(path).data
    except (DataError, NotAnImage):  # to be told once its pixels are read
        return About()
    with one_reason("cannot be parsed"):
        segments = tuple(_segments(header))
        return About(
            str(header.get("PatientID", "")).strip(),
            frozenset((*_sources(header), *(_segmented(header) if segments else ()))),
            str(header.get("FrameOfReferenceUID") or ""),
            segments,
        )


def _sources(item: Dataset) -> Iterable[str]:
    """Of a classic object at its top level, of an enhanced one with its frames."""
    for source in item.get("SourceImageSequence") or ():
        yield str(source.get("ReferencedSOPInstanceUID", ""))
    for inner in (
        *(item.get("SharedFunctionalGroupsSequence") or ()),
        *(item.get("PerFrameFunctionalGroupsSequence") or ()),
        *(item.get("DerivationImageSequence") or ()),
    ):
        yield from _sources(inner)


def _segmented(header: Dataset) -> Iterable[str]:
    """Of a segmentation, which names the series that it was drawn on."""
    for series in header.get("ReferencedSeriesSequence") or ():
        for image in series.get("ReferencedInstanceSequence") or ():
            yield str(image.get("ReferencedSOPInstanceUID", ""))


def _segments(header: Dataset) -> Iterable[tuple[int, str]]:
    for segment in header.get("SegmentSequence") or ():
        code = (segment.get("SegmentedPropertyTypeCodeSequence") or [Dataset()])[0]
        words = [str(code.get(k, "")) for k in ("CodingSchemeDesignator", "CodeValue")]
        yield int(segment.SegmentNumber), " ".join(words).strip()


def _is_residual(series: Series) -> bool:
    return all(instance.path.startswith(_RESIDUALS) for instance in series.instances)


def names_of(paths: Sequence[Path], taken: Iterable[str] = ()) -> list[str]:
    """What results are called: by their last names, and by more where these are alike or taken."""
    whole = [path.resolve() for path in paths]
    names = [_stem(path.name) for path in whole]
    taken = {*taken}
    if len({*names}) == len(names) and taken.isdisjoint(names):
        return names
    longer = [f"{path.parent.name}/{_stem(path.name)}" for path in whole]
    if len({*longer}) == len(longer):
        return longer
    return [f"{name}-{number}" for number, name in enumerate(names, 1)]


def _stem(name: str) -> str:
    return re.sub(r"\.(dcm|nii|nii\.gz)$", "", name, flags=re.IGNORECASE)
