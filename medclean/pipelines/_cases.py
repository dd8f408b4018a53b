"""The stacks of slices that an archive holds, whose they are, and what they were made from."""

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from pydicom.dataset import Dataset

from medclean.archive.about import by_path
from medclean.archive.dicom.parse import NotAnImage, parse_header
from medclean.archive.runs import RUN_FOLDER
from medclean.archive.series import Affine, LeftOut, Series
from medclean.archive.workers import Workers
from medclean.errors import DataError, NothingToDo
from medclean.log import Log
from medclean.pipelines._inputs import Inputs, find

_RESIDUALS = "residual/"  # where a run puts what it removed


class About(NamedTuple):
    """What the first file of a stack says.

    Attributes:
        patient: Patient ID; a tag's value, which is never shown.
        sources: SOP Instance UIDs of the images that it was computed from.
    """

    patient: str = ""
    sources: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Case:
    """A stack of slices: a group of a series.

    Attributes:
        root: What the paths of its series are relative to.
        series: That it is of.
        group: Index in ``series.groups``.
        patient: Whose it is, ``""`` where nothing tells; it may be a tag's value.
        sources: SOP Instance UIDs of images that it was computed from.
    """

    root: Path
    series: Series
    group: int
    patient: str
    sources: frozenset[str]

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
) -> Cases:
    """The stacks below a path, of every kind, also what medclean made; residuals are none.

    Args:
        path: A folder or a file.
        workers: Read the headers.
        log: Told how far it is.
        modality: Of NIfTI files that do not state one.
        patient: Regular expression, see ``EvaluateJob``.

    Raises:
        UsageError: No such path, or a bad expression.
        NothingToDo: It holds no image.
    """
    inputs = Inputs.of([path])
    found = find(inputs, workers, log, include=("all",), modality=modality)
    a_run = (inputs.root / RUN_FOLDER).is_dir()
    kept = [s for s in found.series if not (a_run and _is_residual(s))]
    failed = tuple(left for left in found.left_out if left.status == "failed")
    whose = by_path(patient)
    stacks = [(series, group) for series in kept for group in range(len(series.groups))]
    if not stacks:
        why = f"; {failed[0].path}: {failed[0].reason}" if failed else ""
        raise NothingToDo(f"{path} holds no image that can be compared{why}")
    first = [inputs.root / s.instances[s.groups[g].frames[0].instance].path for s, g in stacks]
    dicom = {p for (s, _), p in zip(stacks, first, strict=True) if s.format == "dicom"}
    stated = {place: _told(task) for place, task in workers.map(about, sorted(dicom))}
    cases = []
    for (series, group), place in zip(stacks, first, strict=True):
        said = stated.get(place) or About(whose(series.instances[0].path))
        cases.append(Case(inputs.root, series, group, *said))
    return Cases(tuple(cases), failed)


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
    return About(str(header.get("PatientID", "")).strip(), frozenset(_sources(header)))


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
