"""One series of a reference with all that is of it: read once, measured slice by slice."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import fsum, isnan
from pathlib import Path
from tempfile import TemporaryDirectory

from medclean.archive.runs import label
from medclean.archive.workers import Workers
from medclean.catalog import METRICS
from medclean.errors import DataError
from medclean.jobs.evaluate import EvaluateJob
from medclean.log import Bar, Log
from medclean.pipelines._cases import Case
from medclean.pipelines._measured import (
    MASK,
    NOISY,
    Figure,
    Measuring,
    NoRegions,
    Parts,
    measure,
    regions_of,
)
from medclean.pipelines._pairs import Match, Refusal
from medclean.pipelines._scores import Gap, Row
from medclean.pipelines._spool import Spooled, Stack, chunks, spool
from medclean.quality.metrics._base import Metric, Part
from medclean.quality.papers import convention
from medclean.signals import Stop

REGIONS = 32  # of a mask: every two of them have a contrast
SLICES = 4  # that a worker measures at a time
EMPTY = "the mask has no voxel"
UNREADABLE = "a file cannot be read, or holds what is no number; a warning names it"
UNDEFINED = "not defined for these values"
NOWHERE = "no slice has the voxels or the size that it needs"


class Names:
    """What cases and patients are called: nothing that could identify.

    Args:
        key: Of keyed hashes; None for numbers in the order of paths.
        cases: All references.
    """

    def __init__(self, key: bytes | None, cases: Sequence[Case]) -> None:
        self._key = key
        self._cases = {case: f"case-{n:03}" for n, case in enumerate(cases, 1)}
        patients = dict.fromkeys(case.patient for case in cases)
        self._patients = {one: f"patient-{n:03}" for n, one in enumerate(patients, 1)}

    def case(self, case: Case) -> str:
        """Of a reference."""
        return label(self._key, case.key) if self._key else self._cases[case]

    def patient(self, case: Case) -> str:
        """Of whom a reference is; those of whom nothing is known are one."""
        return label(self._key, case.patient) if self._key else self._patients[case.patient]


@dataclass(frozen=True)
class Matched:
    """A reference, and by name of the result what is of it, or why nothing is; ``noisy`` too."""

    reference: Case
    results: Mapping[str, Match]
    refusals: Mapping[str, Refusal]
    mask: Match | None = None


@dataclass(frozen=True, eq=False)
class Measured:
    """What was found out about a reference.

    Attributes:
        rows: Values.
        parts: What they come from.
        asked: How it was measured.
    """

    rows: list[Row]
    parts: Parts
    asked: Measuring


@dataclass
class Evaluation:
    """What it takes to measure one reference after another, and what came of it.

    Attributes:
        job: What was asked.
        metrics: Spec by name, of those that may be told.
        windows: See ``Measuring``.
        names: What cases and patients are called.
        workers: Read and measure.
        stop: Whether to go on.
        log: Told what cannot be compared.
        bar: Told of slices that are through.
        gaps: What has no value.
        says: What is to be known of the conventions, by modality.
    """

    job: EvaluateJob
    metrics: Mapping[str, str]
    windows: Mapping[str, tuple[float, float]]
    names: Names
    workers: Workers
    stop: Stop
    log: Log
    bar: Bar
    gaps: list[Gap] = field(default_factory=list)
    says: dict[str, str] = field(default_factory=dict)

    def refuse(self, case: Case, result: str, refusal: Refusal | DataError) -> None:
        """Put on record that a result has nothing to say of a reference."""
        why = refusal.why if isinstance(refusal, Refusal) else UNREADABLE
        why = str(refusal) if isinstance(refusal, NoRegions) else why
        self.gaps.append(Gap(result, self.names.case(case), why))
        self.log.warn(f"{case.name}, {result}: {refusal}")

    def measured(self, cases: Sequence[Matched]) -> Iterator[tuple[Matched, Measured]]:
        """Measure all references of one series; those that fail are gaps."""
        with TemporaryDirectory(prefix="medclean-evaluate-") as folder:
            shelf = Shelf(Path(folder), self.workers, self.stop)
            for one in cases:
                self.stop.check()
                try:
                    asked = self._asked(one, shelf)
                    if asked.results:
                        parts = self._parts(asked)
                        yield one, Measured(self._rows(one, asked, parts), parts, asked)
                except DataError as error:
                    for result in one.results:
                        self.refuse(one.reference, result, error)

    def _asked(self, one: Matched, shelf: "Shelf") -> Measuring:
        reference, modality = one.reference, one.reference.series.modality
        stack, scale = shelf.of(reference)
        results: dict[str, Stack] = {}
        for result, match in one.results.items():
            try:
                results[result] = replace(shelf.of(match.case)[0], turn=match.turn)
            except DataError as error:
                self.refuse(reference, result, error)
        noisy = NOISY if self.job.noisy and NOISY in results else ""
        mask, regions = self._regions(one, shelf, results)
        how = convention(self.job.paper, modality)
        self.says[modality] = how.says
        return Measuring(
            reference=stack,
            results=results,
            mask=mask,
            regions=regions,
            metrics=self._fitting(one, how.metrics, noisy=bool(noisy)),
            convention=how,
            windows=self.windows,
            modality=modality,
            spacing=reference.spacing[1:],
            scale=scale,
            data_range=self.job.data_range,
            noisy=noisy,
        )

    def _regions(
        self, one: Matched, shelf: "Shelf", results: Iterable[str]
    ) -> tuple[Stack | None, tuple[int, ...]]:
        """The mask of a reference and the numbers in it; one that cannot be used is a gap."""
        if not one.mask:
            return None, ()
        try:
            mask = replace(shelf.of(one.mask.case)[0], turn=one.mask.turn)
            regions = regions_of(mask, REGIONS)
        except DataError as error:
            self.refuse(one.reference, MASK, error)
            return None, ()
        if not regions:  # as of an organ that a patient has no more: nothing failed
            case = self.names.case(one.reference)
            self.gaps += [Gap(result, case, EMPTY, "figure", MASK) for result in results]
        return mask, regions

    def _fitting(self, one: Matched, printed: Mapping[str, str], *, noisy: bool) -> dict[str, str]:
        """The metrics that can be told of a reference; one that was asked for is a gap else."""
        modality = one.reference.series.modality
        found: dict[str, str] = {}
        for name, spec in self.metrics.items():
            metric: Metric = METRICS.make(spec)
            if metric.modalities and modality not in metric.modalities.split():
                why = f"it is for {' and '.join(metric.modalities.split())} alone"
            elif metric.needs_noisy and not noisy:
                why = "there is no noisy image to compare with"
            else:
                found[name] = printed.get(name, spec) if spec == name else spec
                continue
            if self.job.metrics:
                case = self.names.case(one.reference)
                self.gaps += [Gap(result, case, why, name) for result in one.results]
        return found

    def _parts(self, asked: Measuring) -> Parts:
        """What all slices add, in their order."""
        whole: Parts = defaultdict(list)
        count = asked.reference.values.shape[0]
        tasks = ((asked, places) for places in chunks(count, SLICES))
        for (_, places), task in self.workers.map(measure, tasks):
            self.stop.check()
            for figure, parts in task.result().items():
                whole[figure] += parts
            self.bar.advance(len(places))
        return whole

    def _rows(self, one: Matched, asked: Measuring, parts: Parts) -> list[Row]:
        case, patient = self.names.case(one.reference), self.names.patient(one.reference)
        rows = []
        for result in asked.results:
            for name, spec in asked.metrics.items():
                metric: Metric = METRICS.make(spec)
                if metric.needs_noisy and result == asked.noisy:
                    continue
                unit = _unit(metric, one.reference, asked)
                for region in asked.figures(metric):
                    found = parts.get(Figure(result, name, region), [])
                    value = _value(metric, found, asked, region)
                    if isnan(value):
                        why = UNDEFINED if found else NOWHERE
                        self.gaps.append(Gap(result, case, why, name, region))
                    else:
                        rows.append(Row(result, patient, case, region, name, value, unit))
        return rows


class Shelf:
    """Series in a folder, each put there when it is first asked for."""

    def __init__(self, folder: Path, workers: Workers, stop: Stop) -> None:
        self._folder, self._workers, self._stop = folder, workers, stop
        self._known: dict[int, Spooled | DataError] = {}

    def of(self, case: Case) -> tuple[Stack, float]:
        """The stack of a case, and the scale of its series.

        Raises:
            DataError: A file of the series cannot be read; its other cases are not tried then.
        """
        if id(case.series) not in self._known:
            self._known[id(case.series)] = self._put(case, self._folder / str(len(self._known)))
        spooled = self._known[id(case.series)]
        if isinstance(spooled, DataError):
            raise spooled
        return spooled.stacks[case.group], spooled.scale

    def _put(self, case: Case, place: Path) -> Spooled | DataError:
        try:
            return spool(case.series, case, place, self._workers, self._stop)
        except DataError as error:
            return error


def _unit(metric: Metric, reference: Case, asked: Measuring) -> str:
    if metric.unit != "image":
        return metric.unit
    relative = metric.needs_reference and asked.convention.relative
    return "1" if relative else reference.series.unit


def _value(metric: Metric, parts: Sequence[Part], asked: Measuring, region: str) -> float:
    """Over all voxels or slices of a case; of some papers the mean of each slice's own."""
    if not parts:
        return float("nan")
    data_range = asked.range_of(region)
    if asked.convention.per_slice and metric.needs_reference and region not in asked.windows:
        values = [metric.whole([part], data_range) for part in parts]
        known = [value for value in values if not isnan(value)]
        return fsum(known) / len(known) if known else float("nan")
    return metric.whole(parts, data_range)
