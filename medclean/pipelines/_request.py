"""What ``medclean denoise`` is asked, understood and checked before anything is read or written."""

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from medclean import __version__, device
from medclean.archive.layout import Layout
from medclean.archive.limits import Limits, limited
from medclean.archive.runs import Shard, default_out, refuse_overlap, unsharded
from medclean.archive.selection import Selection
from medclean.archive.series import Scan
from medclean.archive.workers import Workers
from medclean.device import Precision
from medclean.errors import UsageError
from medclean.inference.denoiser import Denoiser
from medclean.inference.ladder import Rung
from medclean.jobs._setting import changed, values
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.models._filter import Filter
from medclean.pipelines._inputs import Inputs, find
from medclean.quality.gates import Gate, parse

BATCH = {"cpu": 4, "cuda": 16, "mps": 4}  # slices computed together where nobody says
_UNTOLD = ("studies", "from_file", "out", "model", "dry_run")  # paths of the whole machine; the run


@dataclass(frozen=True)
class Request:
    """A job, and what its words mean on this machine.

    Attributes:
        job: As it was asked.
        inputs: What to work on.
        selection: Which of it.
        denoiser: What ``--model`` names.
        out: The output folder.
        shard: Which part of it; None is all.
        rung: How slices go through the model as long as memory lasts.
        workers: Processes that read and write.
        precision: Arithmetic of the network for each modality.
        gates: Limits that no series may cross.
        limits: What a file may ask of this machine.
    """

    job: DenoiseJob
    inputs: Inputs
    selection: Selection
    denoiser: Denoiser
    out: Path
    shard: Shard | None
    rung: Rung
    workers: int
    precision: Mapping[str, Precision]
    gates: tuple[Gate, ...]
    limits: Limits

    @classmethod
    def of(cls, job: DenoiseJob, log: Log) -> "Request":
        """Understand a job.

        Raises:
            MedcleanError: It cannot be carried out: usage, missing weights or device.
        """
        gates, limits = parse(job.fail_on), Limits.of(job.limits)
        selection = Selection.of(job.select, job.exclude)
        inputs = Inputs.of(job.studies, job.from_file)
        denoiser = Denoiser.of(job.model, force=job.force)
        if job.ensemble and denoiser.scope == "series":
            raise UsageError(f"--ensemble turns slices, and {job.model} takes a series at once")
        out = job.out or _default_out(job, denoiser)
        refuse_overlap(out, inputs.starts, inputs.root)
        shard = Shard.parse(job.shard, os.environ)
        if line := unsharded(shard, os.environ):
            log.say(line)
        if job.shard == "auto" and not shard:
            log.say("--shard auto: no SLURM array here, so that this does the whole job")
        where, workers = _where(job, denoiser)
        return cls(
            job=job,
            inputs=inputs,
            selection=selection,
            denoiser=denoiser,
            out=out,
            shard=shard,
            rung=Rung(where, job.batch or BATCH[where.partition(":")[0]], job.tile),
            workers=workers,
            precision={m: _precision(job, where, denoiser, m) for m in denoiser.modalities},
            gates=gates,
            limits=limits,
        )

    def find(self, workers: Workers, log: Log) -> Scan:
        """Scan the inputs.

        Raises:
            UsageError: Outputs of two series would need one place.
        """
        job = self.job
        found = find(
            self.inputs,
            workers,
            log,
            include=job.include,
            modality=job.modality,
            selection=self.selection,
        )
        skipped = (left.path for left in found.left_out if left.status == "skipped")
        self.layout.refuse_clashes(
            (i.path for series in found.series for i in series.instances),
            skipped if job.copy_others else (),
        )
        return found

    @contextmanager
    def bounded(self) -> Iterator[Workers]:
        """The limits in force, and workers that keep to them."""
        limits = self.limits
        memory = limits.memory or None
        with (
            limited(limits),
            Workers(self.workers, seconds=limits.seconds, limit_bytes=memory) as workers,
        ):
            yield workers

    @property
    def filter(self) -> Filter | None:
        """What workers apply by themselves; None where this process computes."""
        return None if self.job.ensemble else self.denoiser.filter

    @property
    def layout(self) -> Layout:
        """What is made of each file, and where it lies."""
        return Layout(("image", "residual") if self.job.residual else ("image",))

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """What the output folder belongs to, by kind."""
        known = self.denoiser.settings() | {"precision": dict(self.precision)}
        return {"result": values(self.job, "result") | known, "form": values(self.job, "form")}

    @property
    def facts(self) -> dict[str, Any]:
        """What the manifest tells about how it was done."""
        asked = {k: v for k, v in values(self.job).items() if k not in _UNTOLD}
        told = {"select": self.selection.select, "exclude": self.selection.exclude}
        versions = {
            "medclean": __version__,
            "python": platform.python_version(),
            "torch": version("torch"),
        }
        return {
            "job": asked
            | {name: [str(e) for e in expressions] for name, expressions in told.items()},
            "versions": versions,
            "device": self.rung.device,
            "model": self.denoiser.name,
        }


def _default_out(job: DenoiseJob, denoiser: Denoiser) -> Path:
    """The sibling folder of the only STUDY.

    Its name follows from the command alone, and is known before anything is read: the same command
    finds the same folder every night. So a setting that is not the default is in it although what
    lies in the study today may make no use of it, as of ``--modality`` where no NIfTI comes.

    Raises:
        UsageError: There are several, which have no name in common.
    """
    if len(job.studies) > 1 or job.from_file:
        raise UsageError("several STUDY folders, or a list: say with -o where to write")
    other = changed(job, "result") | {"model": denoiser.options_changed()}
    return default_out(job.studies[0], job.model, {k: v for k, v in other.items() if v})


def _where(job: DenoiseJob, denoiser: Denoiser) -> tuple[str, int]:
    """The device that computes, and how many workers there are; they apply a filter themselves.

    Raises:
        UsageError: No such device.
        MissingError: This machine does not have it.
    """
    if not denoiser.filter or job.ensemble:
        where = device.choose(job.device)
        return str(where), device.share_threads(job.workers, device=where.type).workers
    if job.device != "auto":
        device.choose(job.device)
    return "cpu", device.share_processes(job.workers)


def _precision(job: DenoiseJob, where: str, denoiser: Denoiser, modality: str) -> Precision:
    """The arithmetic that the network for a modality computes in."""
    bf16 = denoiser.loaded(modality).card.bf16
    return device.precision(job.precision, device.choose(where), bf16)
