"""The story of ``medclean evaluate``."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

from medclean import __version__
from medclean.archive.limits import Limits, limited
from medclean.archive.runs import RUN_FOLDER, read_key, refuse_overlap
from medclean.archive.workers import Workers
from medclean.device import share_processes
from medclean.errors import DataError, Exit
from medclean.files import cannot_write, write_whole
from medclean.jobs._setting import values
from medclean.jobs.evaluate import EvaluateJob
from medclean.log import Log
from medclean.pipelines import _segmentations
from medclean.pipelines._cases import Case, Cases, cases_of, names_of
from medclean.pipelines._evaluation import UNREADABLE, Evaluation, Matched, Measured, Names
from medclean.pipelines._gates import Limit, asked_metrics, asked_windows, crossed
from medclean.pipelines._measured import NOISY
from medclean.pipelines._pairs import Match, Refusal, matched
from medclean.pipelines._scores import Comparison, Gap, Row, Score, as_csv, as_json, scores_of
from medclean.signals import stop_on_signals

FORMAT = 1
REFERENCE = "reference"

_PLACES = {"reference", "results", "noisy", "out", "mask", "maps", "key", "workers", "limits"}


@dataclass(frozen=True)
class Evaluated:
    """What was found.

    Attributes:
        rows: Every value.
        scores: Over patients.
        comparisons: Of methods.
        modalities: Of each case; ``""`` where nobody said.
        gaps: What has no value, and why.
        matched: How each result found its reference.
        says: What is to be known of the conventions.
        patients: How many.
        crossed: Limits of ``--fail-under`` that a result is beyond, a sentence each.
        job: The settings, but not where files lay.
    """

    rows: tuple[Row, ...]
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    modalities: Mapping[str, str]
    gaps: tuple[Gap, ...]
    matched: tuple[Mapping[str, str], ...]
    says: tuple[str, ...]
    patients: int
    crossed: tuple[str, ...]
    job: Mapping[str, Any]

    @property
    def exit(self) -> Exit:
        """The status that a script gets."""
        missing = any(not gap.metric for gap in self.gaps)
        return Exit.of(
            [
                *([Exit.GATE_CROSSED] if self.crossed else []),
                *([Exit.PARTIAL] if missing else []),
            ]
        )

    def as_object(self) -> dict[str, Any]:
        """All there is, fit for JSON."""
        return {
            "format": FORMAT,
            "command": "evaluate",
            "versions": {
                "medclean": __version__,
                **{package: version(package) for package in ("numpy", "scipy", "scikit-image")},
            },
            **{field.name: as_json(getattr(self, field.name)) for field in fields(self)},
            "exit": int(self.exit),
        }


def evaluate(job: EvaluateJob, log: Log) -> Evaluated:
    """Compare results with their references, write what is asked for, and return it all.

    Raises:
        UsageError: A setting that cannot be, a path that is not there, or a paper without figures
            for such images.
        NothingToDo: The reference or a result holds no image.
        DataError: Nothing could be compared.
        WriteError: The scores or maps cannot be written.
        Stopped: A signal said so.
    """
    limits = Limit.several(job.fail_under, labels=job.labels)
    metrics, windows = asked_metrics(job, limits), asked_windows(job.window)
    inputs = [job.reference, *job.results, *filter(None, (job.noisy, job.mask))]
    if job.maps:
        refuse_overlap(job.maps, inputs)
    with stop_on_signals() as stop, _workers(job) as workers:
        found, failed = _find(job, workers, log)
        names = Names(_key(job), [one.reference for one in found])
        slices = sum(one.reference.shape[0] for one in found if one.results)
        rows: list[Row] = []
        with log.bar("slices", slices) as bar:
            work = Evaluation(job, metrics, windows, names, workers, stop, log, bar)
            work.gaps += [Gap(REFERENCE, "", UNREADABLE)] * failed
            for one in found:
                for result, refusal in one.refusals.items():
                    work.refuse(one.reference, result, refusal)
            for series in _by_series(found, {NOISY} if job.noisy else set()):
                if job.labels:
                    rows += _segmentations.compared(series, work)
                    continue
                for one, measured in work.measured(series):
                    rows += measured.rows
                    if job.maps:
                        _draw(job.maps, names.case(one.reference), one.reference, measured)
    if not rows:
        raise DataError(f"nothing could be compared: {_why(work.gaps)}")
    modalities = {names.case(one.reference): one.reference.series.modality for one in found}
    scores, comparisons = scores_of(rows, seed=job.seed, modalities=modalities)
    evaluated = Evaluated(
        rows=tuple(rows),
        scores=tuple(scores),
        comparisons=tuple(comparisons),
        modalities=modalities,
        gaps=tuple(work.gaps),
        matched=tuple(_told(found, names)),
        says=tuple(dict.fromkeys(work.says.values())),
        patients=len({row.patient for row in rows}),
        crossed=tuple(crossed(limits, scores, NOISY if job.noisy else "")),
        job={name: value for name, value in values(job).items() if name not in _PLACES},
    )
    if job.out:
        _write(job.out, evaluated)
    return evaluated


def _why(gaps: Sequence[Gap]) -> str:
    """What there is no row for."""
    if not gaps:
        return "no result is of any reference"
    return f"{gaps[0].metric}: {gaps[0].why}" if gaps[0].metric else gaps[0].why


def _write(out: Path, evaluated: Evaluated) -> None:
    """The values as CSV, and beside it all there is as JSON."""
    write_whole(out, as_csv(evaluated.rows).encode())
    content = json.dumps(evaluated.as_object(), indent=1) + "\n"
    write_whole(out.with_suffix(".json"), content.encode())


def _find(job: EvaluateJob, workers: Workers, log: Log) -> tuple[list[Matched], int]:
    """Each reference with what is of it, in the order of their paths; how many files failed."""

    def cases(path: Path, *, regions: bool = job.labels) -> Cases:
        how: Any = {"modality": job.modality, "patient": job.patient, "segmentations": regions}
        found = cases_of(path, workers, log, **how)
        for left in found.failed:
            log.warn(f"{left.path}: {left.reason}")
        return found

    references = cases(job.reference)
    paths = dict(zip(names_of(job.results, [NOISY] if job.noisy else []), job.results, strict=True))
    noisy = cases(job.noisy) if job.noisy else Cases((), ())
    found = {NOISY: noisy} if job.noisy else {}
    found |= {name: cases(path) for name, path in paths.items()}
    all_results = [case for of in found.values() for case in of.cases]
    truth = [case.with_room_for(all_results) for case in references.cases]
    pairs = {
        name: matched(truth, of.cases, noisy.cases, by=job.match, units=not job.labels)
        for name, of in found.items()
    }
    masks = {}
    if job.mask:
        by = "auto" if job.match in ("sources", "uids") else job.match
        masks = matched(truth, cases(job.mask, regions=True).cases, by=by, units=False)
    unknown = sum(not case.patient for case in truth)
    if unknown > 1:
        log.warn(
            f"nothing tells whose {unknown} of {len(truth)} images are, so that they "
            "count as one patient's: name folders sub-*, or say --patient REGEX"
        )
    return [_matched(one, pairs, masks) for one in truth], len(references.failed)


def _matched(
    reference: Case,
    pairs: Mapping[str, Mapping[Case, Match | Refusal]],
    masks: Mapping[Case, Match | Refusal],
) -> Matched:
    known = {name: of[reference] for name, of in pairs.items() if reference in of}
    results = {name: match for name, match in known.items() if isinstance(match, Match)}
    refusals = {name: why for name, why in known.items() if isinstance(why, Refusal)}
    mask = masks.get(reference)
    if isinstance(mask, Refusal):
        refusals["mask"] = mask
    return Matched(reference, results, refusals, mask if isinstance(mask, Match) else None)


def _by_series(found: Sequence[Matched], others: set[str]) -> Iterator[list[Matched]]:
    """The references that have results beside others, those of a series together."""
    there = [one for one in found if one.results.keys() - others]
    for _, group in groupby(there, lambda one: one.reference.series.key):
        yield list(group)


@contextmanager
def _workers(job: EvaluateJob) -> Iterator[Workers]:
    limits = Limits.of(job.limits)
    with ExitStack() as stack:
        stack.enter_context(limited(limits))
        memory = limits.memory or None
        count = share_processes(job.workers)
        yield stack.enter_context(Workers(count, seconds=limits.seconds, limit_bytes=memory))


def _key(job: EvaluateJob) -> bytes | None:
    """What names in reports are made from; that of the first result's run where none is given."""
    if job.key:
        return read_key(job.key)
    secret = job.results[0] / RUN_FOLDER / "secret"
    return read_key(secret) if os.access(secret, os.R_OK) else None


def _draw(folder: Path, name: str, reference: Case, measured: Measured) -> None:
    from medclean.pipelines._maps import draw  # matplotlib takes a while

    with cannot_write(folder):
        folder.mkdir(parents=True, exist_ok=True)
    draw(folder, name, reference, measured)


def _told(found: Sequence[Matched], names: Names) -> Iterator[dict[str, str]]:
    for one in found:
        for result, match in one.results.items():
            yield {"result": result, "case": names.case(one.reference), "by": match.how}
