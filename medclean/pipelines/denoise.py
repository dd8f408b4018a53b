"""The story of ``medclean denoise``."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medclean.archive.runs import Run, Tally, open_run
from medclean.archive.series import Series
from medclean.errors import DataError, Exit, MedcleanError, Stopped, WriteError
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.pipelines import _copies, _estimate
from medclean.pipelines._request import Request
from medclean.pipelines._stock import Stock, if_nothing_else
from medclean.pipelines._work import Work
from medclean.signals import stop_on_signals


@dataclass(frozen=True)
class Summary(Tally):
    """How the run ended, and what it did to the images.

    Attributes:
        safety: Of each series that was computed, now or before: ``label``, ``modality``,
            ``status``, and its safety figures with their verdicts, as in the manifest.
    """

    safety: tuple[Mapping[str, Any], ...] = ()


def denoise(job: DenoiseJob, log: Log) -> Summary:
    """Denoise every eligible series of the studies, one after the other.

    Raises:
        MedcleanError: The run could not begin, or go on; a series that fails stops no other.
    """
    asked = Request.of(job, log)
    denoiser, root = asked.denoiser, asked.inputs.root
    with (
        stop_on_signals() as stop,
        asked.bounded() as workers,
        open_run(
            asked.out,
            command="denoise",
            settings=asked.settings,
            facts=asked.facts,
            shard=asked.shard,
            overwrite=job.overwrite,
        ) as run,
    ):
        for warning in run.warnings:
            log.warn(warning)
        stock = Stock.of(asked.find(workers, log), denoiser)
        stock.tell(log)
        todo = _put_on_record(stock, run)
        others = _copies.put_on_record(stock, root, run, copied=job.copy_others)
        for modality, sha256 in sorted(denoiser.weights(todo).items()):
            run.pin(f"weights for {modality}", sha256)
            log.say(f"{denoiser.name} for {modality}: weights {sha256[:12]}")
        new = [s for s in todo if not (run.told_done(s.key) or run.expected.crossed(s.key))]
        if warning := _estimate.disk(asked, new, others).warning:
            log.warn(warning)
        frames = sum(len(group.frames) for series in todo for group in series.groups)
        with (
            log.bar("series", len(todo), "series") as whole,
            log.bar("slices", frames, "slice") as slices,
        ):
            slices.note(f"{denoiser.name} on {asked.rung.device}")
            work = Work(
                job=job,
                root=root,
                denoiser=denoiser,
                filter=asked.filter,
                rung=asked.rung,
                precision=asked.precision,
                run=run,
                workers=workers,
                stop=stop,
                bar=slices,
                layout=asked.layout,
                log=log,
                located=stock.found.located,
                gates=asked.gates,
            )
            bugs: list[Exception] = []
            for series in todo:
                stop.check()
                done = _one(series, work, log, bugs)
                whole.advance()
                if not done and job.fail_fast:
                    break
            else:
                for copies in others:
                    _copies.copy(copies, root, run, workers, stop, log)
        if bugs:
            raise bugs[0]
        ended = run.finish()
        return Summary(**vars(ended), safety=tuple(_safety(run)))


def _safety(run: Run) -> Iterator[Mapping[str, Any]]:
    """The safety figures of the series that have some."""
    for series in run.series:
        if figures := series.get("safety"):
            yield {name: series[name] for name in ("label", "modality", "status")} | figures


def _put_on_record(stock: Stock, run: Run) -> list[Series]:
    """Put every series on record; returns those that are this run's to do."""
    run.divide(stock.dealt)
    todo = []
    for series in stock.found.series:
        if not run.owns(series.key):
            continue
        paths = [instance.path for instance in series.instances]
        run.expect(series.key, paths, sources=series.fingerprint, modality=series.modality)
        if refusal := stock.refusals.get(series.key):
            run.skip(series.key, refusal, otherwise=if_nothing_else(series))
        else:
            todo.append(series)
    return todo


def _one(series: Series, work: Work, log: Log, bugs: list[Exception]) -> bool:
    """One series, whose failure is its own; what only a bug can explain is put aside."""
    run = work.run
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
        paths = {series.instances[place].path: flaw for place, flaw in flaws.items()}
        usage = error.status == Exit.USAGE  # of this series only: the request as such was accepted
        status = Exit.BAD_DATA if usage else error.status
        run.fail(series.key, str(error), status=status, inputs=paths)
        log.warn(f"{name} failed: {error}")
        for path, flaw in paths.items():
            if path not in str(error):
                log.warn(f"  {path} {flaw}")
    except Exception as error:  # the other series have not deserved it
        run.fail(series.key, f"a bug: {type(error).__name__}", status=Exit.BUG)
        log.warn(f"{name} failed: a bug, which is shown when the others are through")
        bugs.append(error)
    else:
        return True
    return False
