"""The story of ``medclean prepare``."""

import platform
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from medclean import __version__, device
from medclean.archive.about import About, about, by_path
from medclean.archive.cases import Cases
from medclean.archive.dataset import DESCRIPTION, description
from medclean.archive.gaps import missing
from medclean.archive.limits import Limits, limited
from medclean.archive.nifti import dcm2niix
from medclean.archive.pairs import noisy_ones, paired
from medclean.archive.runs import Run, Tally, open_run, refuse_overlap
from medclean.archive.selection import Selection
from medclean.archive.series import Scan, Series
from medclean.archive.splits import shares_of
from medclean.archive.workers import Workers
from medclean.errors import DataError, Exit, MedcleanError, Stopped, WriteError
from medclean.jobs._setting import values
from medclean.jobs.prepare import PrepareJob
from medclean.log import Bar, Log
from medclean.pipelines._case import How, Made, Task
from medclean.pipelines._conversion import convert
from medclean.pipelines._inputs import Inputs, find
from medclean.pipelines._overview import Row, draw, picture, reasons, rows, write_table
from medclean.signals import Stop, stop_on_signals

AGAIN = "has the SOP Instance UID of a file before it"
LICENCE = ("Name", "License", "SourceDatasets")  # of the archive's description, that is kept


@dataclass(frozen=True)
class Summary(Tally):
    """How the run ended, and what the data set holds.

    Attributes:
        cases: Entries of ``cases.json``.
        rows: What there is of each modality.
        left_out: How many files of the archive are not in it, and why.
    """

    cases: tuple[dict[str, Any], ...] = ()
    rows: tuple[Row, ...] = ()
    left_out: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class _Work:
    """What it takes to convert one series after another."""

    job: PrepareJob
    inputs: Inputs
    how: How
    run: Run
    workers: Workers
    stop: Stop
    log: Log


def prepare(job: PrepareJob, log: Log) -> Summary:
    """Make a data set of an archive, or add to one what is new.

    Raises:
        MedcleanError: The run could not begin, or go on; a series that fails stops no other.
    """
    noisy, limits = noisy_ones(job.pair_by), Limits.of(job.limits)
    selection = Selection.of(job.select, job.exclude)
    by_path(job.patient)
    inputs = Inputs.of([job.archive])
    refuse_overlap(job.out, inputs.starts, inputs.root)
    before = Cases.read(job.out)
    shared = {f.name: getattr(job, f.name) for f in fields(How) if f.name != "seconds"}
    with ExitStack() as held:
        stop = held.enter_context(stop_on_signals())
        held.enter_context(limited(limits))
        count = device.share_processes(job.workers)
        memory = limits.memory or None
        workers = held.enter_context(Workers(count, seconds=3600, limit_bytes=memory))
        run = held.enter_context(
            open_run(
                job.out,
                command="prepare",
                settings={kind: values(job, kind) for kind in ("result", "form")},
                facts=_facts(job, selection),
                overwrite=job.overwrite,
                key=job.key,
            )
        )
        run.pin("key", run.label("key"))
        found = find(
            inputs,
            workers,
            log,
            include=job.include,
            modality=job.modality,
            selection=selection,
        )
        how = How(**shared, seconds=limits.seconds)
        work = _Work(job, inputs, how, run, workers, stop, log)
        todo = _put_on_record(found, work)
        if job.converter == "dcm2niix" and any(series.format == "dicom" for series in todo):
            dcm2niix.program()
        told = _asked(todo, noisy, work)
        _convert(told, work)
        ended = run.finish()
        known = _known(before, work)
        known.write(job.out)
        write_table(job.out, run.series, known.cases)
        draw(job.out, known.cases)
    return Summary(
        **vars(ended),
        cases=known.cases,
        rows=rows(run.series, known.cases, known.patients),
        left_out=reasons(found, run.series),
    )


def _put_on_record(found: Scan, work: _Work) -> list[Series]:
    """Put all that was found on record; returns the series that are not done yet."""
    run, log = work.run, work.log
    for warning in run.warnings:
        log.warn(warning)
    for left in found.left_out:
        run.input(left.path, left.status, left.reason)
        if left.status == "failed":
            log.warn(f"{left.path} failed: it {left.reason}")
    run.divide([series.key for series in found.series])
    todo = []
    for series in found.series:
        paths = [instance.path for instance in series.instances]
        run.expect(series.key, paths, sources=series.fingerprint, modality=series.modality)
        if not run.done(series.key):
            todo.append(series)
    return todo


def _asked(todo: Sequence[Series], noisy: Any, work: _Work) -> list[tuple[Series, About]]:
    """Each series with what its headers say of it; those that cannot be taken are told to fail."""
    asked = partial(about, work.inputs.root, work.job.patient, noisy)
    told = []
    with work.log.bar("acquisition", len(todo), "series") as bar:
        for series, task in work.workers.map(asked, todo):
            work.stop.check()
            bar.advance()
            try:
                known = task.result()
                gaps = missing(series)
                if gaps and not work.job.allow_missing:
                    raise DataError(f"{gaps}; --allow-missing takes the parts between")
                told.append((series, known))
            except MedcleanError as error:
                _fail(series, error, work)
    if any(not known.patient for _, known in told):
        work.log.warn("nothing tells some patients apart: they count as one")
    return told


def _convert(told: Sequence[tuple[Series, About]], work: _Work) -> None:
    """Convert stack by stack; a series is committed once its last one is through."""
    slices = sum(len(group.frames) for series, _ in told for group in series.groups)
    made: dict[str, list[Made]] = {series.key: [] for series, _ in told}
    failed: set[str] = set()
    bugs: list[Exception] = []
    with (
        work.log.bar("series", len(told), "series") as whole,
        work.log.bar("slices", slices, "slice") as bar,
    ):
        tasks = _tasks(told, work)
        for (series, task, last), done in _mapped(tasks, work):
            work.stop.check()
            try:
                made[series.key].append(done.result())
            except (Stopped, WriteError):
                raise
            except MedcleanError as error:
                if series.key not in failed:
                    _fail(series, error, work)
                failed.add(series.key)
            except Exception as error:  # the other series have not deserved it
                failed.add(series.key)
                reason = f"a bug: {type(error).__name__}"
                work.run.fail(series.key, reason, status=Exit.BUG)
                bugs.append(error)
            bar.advance(len(task.group.frames))
            if last:
                _commit(series, made.pop(series.key), work, whole, failed=series.key in failed)
    if bugs:
        raise bugs[0]


def _tasks(
    told: Sequence[tuple[Series, About]], work: _Work
) -> Iterator[tuple[Series, Task, bool]]:
    run = work.run
    for series, known in told:
        again = [n for n, file in enumerate(series.instances) if file.occurrence]
        alone = series.without(again)
        run.begin(series.key)
        into = run.staging(series.key, "images").parent
        sub = f"sub-{run.label(f'patient {known.patient}')}"
        name = f"{sub}_ses-{run.label(f'study {known.study}')}_acq-{run.label(series.key)}"
        several = len(alone.groups) > 1
        for number, group in enumerate(alone.groups, 1):
            own = f"{name}_run-{number:02}" if several else name
            task = Task(work.inputs.root, alone, group, known, work.how, own, into)
            yield series, task, number == len(alone.groups)


def _mapped(tasks: Iterator[tuple[Series, Task, bool]], work: _Work) -> Iterator[Any]:
    """Each task with its future: only what a worker needs crosses to it."""
    pending: list[Any] = []
    for item in tasks:
        pending.append((item, work.workers.submit(convert, item[1])))
        if len(pending) > 2 * work.workers.count:
            yield pending.pop(0)
    yield from pending


def _commit(series: Series, made: Sequence[Made], work: _Work, bar: Bar, *, failed: bool) -> None:
    bar.advance()
    if failed:
        return
    files = {path: sha256 for one in made for path, sha256 in one.files.items()}
    label = work.run.label(series.key)
    entries = []
    for one in made:
        sub, ses, *_ = str(one.entry["case"]).split("_")
        entries.append({"patient": sub, "study": ses, "series": label, **one.entry})
    inputs = {
        file.path: {"status": "skipped", "reason": AGAIN}
        for file in series.instances
        if file.occurrence
    }
    picture(work.job.out, made)
    try:
        work.run.commit(series.key, files, {"cases": entries}, inputs=inputs)
    except DataError as error:
        _fail(series, error, work)


def _fail(series: Series, error: MedcleanError, work: _Work) -> None:
    status = Exit.BAD_DATA if error.status == Exit.USAGE else error.status
    work.run.fail(series.key, str(error), status=status)
    kind = series.modality or "series"
    work.log.warn(f"{kind} {work.run.label(series.key)} failed: {error}")


def _known(before: Cases, work: _Work) -> Cases:
    """What the data set holds now; patients keep what they were given before."""
    job, done = work.job, [line for line in work.run.series if line["status"] == "done"]
    made = [entry for line in done for entry in line["cases"]]
    stated = description(work.inputs.root / DESCRIPTION)
    known = before.with_cases(made, (line["label"] for line in done))
    known = replace(
        known,
        shares=shares_of(job.validation, job.test),
        folds=job.folds,
        normaliser={"CT": f"ct:window={job.window}"} if job.window != "full" else {},
        description=before.description or {k: stated[k] for k in LICENCE if k in stated},
        cases=tuple(paired(known.cases)),
    )
    return known.with_homes(unpaired=job.unpaired)


def _facts(job: PrepareJob, selection: Selection) -> dict[str, Any]:
    versions = {"medclean": __version__, "python": platform.python_version()}
    for package in ("dcm2niix", "SimpleITK"):
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    told = {"select": selection.select, "exclude": selection.exclude}
    asked = {k: v for k, v in values(job).items() if k not in ("archive", "out", "key")}
    return {
        "job": asked | {name: [str(e) for e in those] for name, those in told.items()},
        "versions": versions,
        "device": "cpu",
    }
