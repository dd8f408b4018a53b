"""The story of ``medclean denoise``."""

import os
import platform
from collections import Counter
from dataclasses import astuple
from pathlib import Path
from typing import Any

import torch

from medclean import __version__, device
from medclean.archive.layout import Layout
from medclean.archive.runs import (
    Run,
    Shard,
    Tally,
    default_out,
    open_run,
    refuse_overlap,
    unsharded,
)
from medclean.archive.series import Scan, Series, key_of
from medclean.archive.workers import Workers
from medclean.errors import DataError, Exit, MedcleanError, Stopped, UsageError, WriteError
from medclean.inference.denoiser import Denoiser
from medclean.inference.ladder import Rung
from medclean.jobs._setting import changed, values
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.pipelines._inputs import Inputs, find
from medclean.pipelines._work import Work
from medclean.signals import stop_on_signals

SECONDS = 120.0  # that a file may take to be read or written; damaged ones can hang a decoder
BATCH = {"cpu": 4, "cuda": 16, "mps": 4}  # slices computed together where nobody says


def denoise(job: DenoiseJob, log: Log) -> Tally:
    """Denoise every eligible series of the studies, one after the other.

    Raises:
        MedcleanError: The run could not begin, or go on; a series that fails stops no other.
    """
    inputs = Inputs.of(job.studies)
    denoiser = Denoiser.of(job.model, force=job.force)
    out = job.out or _default_out(job, denoiser)
    refuse_overlap(out, job.studies)
    shard = Shard.parse(job.shard, os.environ)
    if line := unsharded(shard, os.environ):
        log.say(line)
    if job.shard == "auto" and not shard:
        log.say("--shard auto: no SLURM array here, so that this does the whole job")
    where = device.choose(job.device)
    layout = Layout(("image", "residual") if job.residual else ("image",))
    share = device.share_threads(job.workers, device=where.type)
    precision = {m: _precision(job, where, denoiser, m) for m in denoiser.modalities}
    settings = {
        "result": values(job, "result") | denoiser.settings() | {"precision": precision},
        "form": values(job, "form"),
    }
    facts = _facts(job, where) | {"model": denoiser.name}
    with (
        stop_on_signals() as stop,
        Workers(share.workers, seconds=SECONDS) as workers,
        open_run(
            out,
            command="denoise",
            settings=settings,
            facts=facts,
            shard=shard,
            overwrite=job.overwrite,
        ) as run,
    ):
        for warning in run.warnings:
            log.warn(warning)
        found = find(inputs, workers, log, include=job.include, modality=job.modality)
        layout.refuse_clashes(file.path for series in found.series for file in series.instances)
        todo = _take_stock(found, run, denoiser, log)
        for modality, sha256 in sorted(denoiser.weights(todo).items()):
            run.pin(f"weights for {modality}", sha256)
            log.say(f"{denoiser.name} for {modality}: weights {sha256[:12]}")
        frames = sum(len(group.frames) for series in todo for group in series.groups)
        rung = Rung(str(where), job.batch or BATCH[where.type], job.tile)
        with (
            log.bar("series", len(todo), "series") as whole,
            log.bar("slices", frames, "slice") as slices,
        ):
            slices.note(f"{denoiser.name} on {where}")
            work = Work(
                job=job,
                root=inputs.root,
                denoiser=denoiser,
                rung=rung,
                precision=precision,
                run=run,
                workers=workers,
                stop=stop,
                bar=slices,
                layout=layout,
                log=log,
                located=found.located,
            )
            bugs: list[Exception] = []
            for series in todo:
                stop.check()
                done = _one(series, work, log, bugs)
                whole.advance()
                if not done and job.fail_fast:
                    break
        if bugs:
            raise bugs[0]
        return run.finish()


def _take_stock(found: Scan, run: Run, denoiser: Denoiser, log: Log) -> list[Series]:
    """Put every input on record, and say what is left out; returns what is this run's to do."""
    refusals = {series.key: denoiser.refusal(series) for series in found.series}
    failed = [left.path for left in found.left_out if left.status == "failed"]
    run.divide([key for key, refusal in refusals.items() if not refusal] + failed)
    for left in found.left_out:
        if run.owns(left.path):
            run.input(left.path, left.status, left.reason)
    for path, _, reason in (left for left in map(astuple, found.left_out) if left[1] == "failed"):
        log.warn(f"{path} failed: it {reason}")
    skipped = Counter(left.reason for left in found.left_out if left.status == "skipped")
    for reason, files in skipped.most_common():
        log.say(f"{files} file{'s'[: files != 1]} skipped: {reason}")
    for reason, count in Counter(filter(None, refusals.values())).items():
        log.warn(f"{count} series skipped: {reason}")
    if not found.series:
        log.warn("no eligible image: expected MR, CT or PET images; --include lets others in")
    todo = []
    for series in found.series:
        refusal = refusals[series.key]
        if not run.owns(series.key):
            continue
        paths = [instance.path for instance in series.instances]
        prints = (f"{i.path} {i.bytes} {i.uid} {i.passed or ''}".rstrip() for i in series.instances)
        run.expect(series.key, paths, sources=key_of(prints), modality=series.modality)
        if refusal:
            otherwise = Exit.NOTHING_TO_DO if series.bare else Exit.MISSING
            run.skip(series.key, refusal, otherwise=otherwise)
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
            log.warn(f"  {path} {flaw}")
    except Exception as error:  # the other series have not deserved it
        run.fail(series.key, f"a bug: {type(error).__name__}", status=Exit.BUG)
        log.warn(f"{name} failed: a bug, which is shown when the others are through")
        bugs.append(error)
    else:
        return True
    return False


def _default_out(job: DenoiseJob, denoiser: Denoiser) -> Path:
    """The sibling folder of the only STUDY.

    Raises:
        UsageError: There are several, which have no name in common.
    """
    if len(job.studies) > 1:
        raise UsageError("several STUDY folders: say with -o where to write")
    other = changed(job, "result") | {"model": denoiser.options_changed()}
    return default_out(job.studies[0], job.model, {k: v for k, v in other.items() if v})


def _precision(
    job: DenoiseJob, where: torch.device, denoiser: Denoiser, modality: str
) -> device.Precision:
    """The arithmetic that the network for a modality computes in."""
    return device.precision(job.precision, where, denoiser.loaded(modality).card.bf16)


def _facts(job: DenoiseJob, where: torch.device) -> dict[str, Any]:
    """What the manifest tells about how it was done."""
    versions = {
        "medclean": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    asked = {k: v for k, v in values(job).items() if k not in ("studies", "out", "model")}
    return {"job": asked, "versions": versions, "device": str(where)}
