"""Series on their way into a data set: asked whose they are, converted, committed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from medclean.archive.about import About, about
from medclean.archive.gaps import fault
from medclean.archive.runs import Run
from medclean.archive.selection import Expression
from medclean.archive.series import Series
from medclean.archive.workers import Workers
from medclean.errors import DataError, Exit, MedcleanError, Stopped, WriteError
from medclean.jobs.prepare import PrepareJob
from medclean.log import Bar, Log
from medclean.pipelines import _conversion as conversion
from medclean.pipelines._case import How, Made, Task
from medclean.pipelines._inputs import Inputs
from medclean.pipelines._overview import picture
from medclean.signals import Stop

AGAIN = "has the SOP Instance UID of a file before it"


@dataclass(frozen=True)
class Work:
    """What it takes to convert one series after another.

    Attributes:
        job: What was asked.
        inputs: The archive.
        how: What is done to every stack.
        run: The record.
        workers: Processes that read, convert and write.
        stop: Whether a signal came.
        log: Says what the user should know.
    """

    job: PrepareJob
    inputs: Inputs
    how: How
    run: Run
    workers: Workers
    stop: Stop
    log: Log


def asked(
    todo: Sequence[Series], noisy: Expression | None, work: Work
) -> list[tuple[Series, About]]:
    """Each series with what its headers say of it; those that cannot be taken are told to fail."""
    look = partial(about, work.inputs.root, work.job.patient, noisy)
    told, log = [], work.log
    with log.bar("acquisition", len(todo), "series") as bar:
        for series, task in work.workers.map(look, todo):
            work.stop.check()
            bar.advance()
            try:
                known = task.result()
                if (why := fault(series)) and not work.job.allow_missing:
                    raise DataError(why)
                if series.notes:
                    log.warn(f"{_called(series, work)}: {'; '.join(series.notes)}")
                told.append((series, known))
            except MedcleanError as error:
                _fail(series, error, work)
    if any(not known.patient for _, known in told):
        log.warn("nothing tells some patients apart: they count as one")
    return told


def convert(told: Sequence[tuple[Series, About]], work: Work) -> None:
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


def _tasks(told: Sequence[tuple[Series, About]], work: Work) -> Iterator[tuple[Series, Task, bool]]:
    run = work.run
    for series, known in told:
        alone = _once(series)
        if not alone.groups:
            run.skip(series.key, f"each of its files {AGAIN}")
            continue
        run.begin(series.key)
        into = run.staging(series.key, "images").parent
        sub = f"sub-{run.label(f'patient {known.patient}')}"
        name = f"{sub}_ses-{run.label(f'study {known.study}')}_acq-{run.label(series.key)}"
        several = len(alone.groups) > 1
        for number, group in enumerate(alone.groups, 1):
            own = f"{name}_run-{number:02}" if several else name
            task = Task(work.inputs.root, alone, group, known, work.how, own, into)
            yield series, task, number == len(alone.groups)


def _once(series: Series) -> Series:
    """A series without files that occur twice in the archive."""
    return series.without([n for n, file in enumerate(series.instances) if file.occurrence])


def _mapped(tasks: Iterator[tuple[Series, Task, bool]], work: Work) -> Iterator[Any]:
    """Each task with its future: only what a worker needs crosses to it."""
    pending: list[Any] = []
    for item in tasks:
        pending.append((item, work.workers.submit(conversion.convert, item[1])))
        if len(pending) > 2 * work.workers.count:
            yield pending.pop(0)
    yield from pending


def _commit(series: Series, made: Sequence[Made], work: Work, bar: Bar, *, failed: bool) -> None:
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


def _fail(series: Series, error: MedcleanError, work: Work) -> None:
    status = Exit.BAD_DATA if error.status == Exit.USAGE else error.status
    work.run.fail(series.key, str(error), status=status)
    work.log.warn(f"{_called(series, work)} failed: {error}")


def _called(series: Series, work: Work) -> str:
    """How a series is called on the screen."""
    return f"{series.modality or 'series'} {work.run.label(series.key)}"
