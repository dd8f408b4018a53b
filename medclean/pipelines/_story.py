"""The story that denoise, add-noise and undersample share: series in, derived series out."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

from medclean.archive.runs import Run
from medclean.archive.series import Series
from medclean.errors import DataError, Exit, MedcleanError, Stopped, WriteError
from medclean.log import Bar, Log
from medclean.pipelines import _copies, _estimate, _own_page
from medclean.pipelines._method import Method
from medclean.pipelines._origins import Origin
from medclean.pipelines._request import Request
from medclean.pipelines._stock import Stock
from medclean.pipelines._work import Work
from medclean.signals import stop_on_signals


def carry_out(asked: Request[Method], log: Log) -> Run:
    """Do every eligible series, one after the other; returns the record of the run, finished.

    Raises:
        MedcleanError: The run could not begin, or go on; a series that fails stops no other.
    """
    method, root, began = asked.method, asked.inputs.root, monotonic()
    with stop_on_signals() as stop, asked.bounded() as workers, asked.opened(log) as run:
        stock = Stock.of(asked.find(workers, log), method)
        stock.tell(log)
        todo = _put_on_record(stock, run)
        others = _copies.put_on_record(stock, asked.inputs, run, copied=asked.job.copy_others)
        for modality, sha256 in sorted(method.weights(todo).items()):
            run.pin(f"weights for {modality}", sha256)
            log.say(f"{method.name} for {modality}: weights {sha256[:12]}")
        new = [s for s in todo if not (run.told_done(s.key) or run.expected.crossed(s.key))]
        if warning := _estimate.disk(asked, new, others).warning:
            log.warn(warning)
        with _bars(todo, log) as (whole, slices):
            slices.note(f"{method.name} on {method.device}")
            located = stock.found.located
            work = Work(
                asked.job, root, method, run, workers, stop, slices, log, located, asked.disguise
            )
            bugs: list[Exception] = []
            for series in todo:
                stop.check()
                done = _one(series, work, bugs)
                whole.advance()
                if not done and asked.job.fail_fast:
                    break
            else:
                for copies in others:
                    _copies.copy(copies, root, run, workers, stop, log)
        if bugs:
            raise bugs[0]
        run.finish()
        if asked.job.report:
            sources = {series.key: Origin(root, series) for series in stock.found.series}
            _own_page.write(run, sources, workers, log, began=began)
    return run


def told(run: Run, what: str) -> tuple[Mapping[str, Any], ...]:
    """What a finished run has to say of each series that there is something to say of.

    Args:
        run: Its record.
        what: ``"safety"`` and its like.

    Returns:
        ``label``, ``modality`` and ``status`` of a series, with what the manifest says.
    """
    return tuple(
        {name: series[name] for name in ("label", "modality", "status")} | series[what]
        for series in run.series
        if series.get(what)
    )


@contextmanager
def _bars(todo: Sequence[Series], log: Log) -> Iterator[tuple[Bar, Bar]]:
    """How many series are through, and how many slices."""
    frames = sum(len(group.frames) for series in todo for group in series.groups)
    with (
        log.bar("series", len(todo), "series") as whole,
        log.bar("slices", frames, "slice") as slices,
    ):
        yield whole, slices


def _put_on_record(stock: Stock, run: Run) -> list[Series]:
    """Put every series on record; returns those that are this run's to do."""
    run.divide(stock.dealt)
    todo = []
    for series in stock.found.series:
        if not run.owns(series.key):
            continue
        paths = [instance.name for instance in series.instances]
        run.expect(series.key, paths, sources=series.fingerprint, modality=series.modality)
        if refusal := stock.refusals.get(series.key):
            run.skip(series.key, refusal.why, otherwise=refusal.otherwise)
        else:
            todo.append(series)
    return todo


def _one(series: Series, work: Work, bugs: list[Exception]) -> bool:
    """One series, whose failure is its own; what only a bug can explain is put aside."""
    run, log = work.run, work.log
    if run.done(series.key):
        work.bar.advance(sum(len(group.frames) for group in series.groups))
        return True
    name = work.name(series)
    if reason := run.expected.crossed(series.key):
        log.warn(f"{name} failed before: {reason}; --overwrite computes it again")
        work.bar.advance(sum(len(group.frames) for group in series.groups))
        return False
    if series.notes:
        log.warn(f"{name}: {'; '.join(series.notes)}")
    try:
        work.do(series)
    except (Stopped, WriteError):  # what stops this one stops them all
        raise
    except MedcleanError as error:
        flaws = work.flaws(series) if isinstance(error, DataError) else {}
        paths = {series.instances[place].name: flaw for place, flaw in flaws.items()}
        usage = error.status == Exit.USAGE  # of this series only: the request as such was accepted
        status = Exit.BAD_DATA if usage else error.status
        run.fail(series.key, str(error), status=status, inputs=paths)
        gaps = 0 < len(flaws) < len(series.instances) and not work.job.allow_gaps
        step = "; --allow-gaps writes it without what cannot be read" if gaps else ""
        log.warn(f"{name} failed: {error}{step}")
        for path, flaw in paths.items():
            if path not in str(error):
                log.warn(f"  {path}: {flaw}")
    except Exception as error:  # the other series have not deserved it
        run.fail(series.key, f"a bug: {type(error).__name__}", status=Exit.BUG)
        log.warn(f"{name} failed: a bug, which is shown when the others are through")
        bugs.append(error)
    else:
        return True
    return False
