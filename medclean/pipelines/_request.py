"""What a command is asked, understood and checked before anything is read or written."""

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, TypeVar

from medclean import __version__
from medclean.archive.limits import Limits, limited
from medclean.archive.runs import Run, Shard, key_outside, open_run, refuse_overlap, unsharded
from medclean.archive.selection import Selection
from medclean.archive.series import Scan
from medclean.archive.workers import Workers
from medclean.jobs._series import SeriesJob
from medclean.jobs._setting import assumed, values
from medclean.log import Log
from medclean.pipelines._disguise import Disguise
from medclean.pipelines._inputs import Inputs, find
from medclean.pipelines._method import Method

J = TypeVar("J", bound=SeriesJob)
M = TypeVar("M", bound=Method, covariant=True)

_UNTOLD = (
    "studies",
    "from_file",
    "out",
    "model",
    "dry_run",
    "key",
)  # paths of the whole machine; the run


@dataclass(frozen=True)
class Request(Generic[M]):
    """A job, and what its words mean on this machine.

    Attributes:
        job: As it was asked.
        method: What is done to series.
        inputs: What to work on.
        selection: Which of it.
        shard: Which part of it; None is all.
        limits: What a file may ask of this machine.
        disguise: What stands for what could identify; None where nothing does.
    """

    job: SeriesJob
    method: M
    inputs: Inputs
    selection: Selection
    shard: Shard | None
    limits: Limits
    disguise: Disguise | None

    @classmethod
    def of(cls, job: J, understand: Callable[[J], M], log: Log) -> "Request[M]":
        """Understand a job.

        Args:
            job: What is asked.
            understand: Makes the method that it names.
            log: Told what the user may not expect.

        Raises:
            MedcleanError: It cannot be carried out: usage, missing weights or device.
        """
        limits = Limits.of(job.limits)
        selection = Selection.of(job.select, job.exclude, told=not job.deidentify)
        inputs = Inputs.of(job.studies, job.from_file)
        method = understand(job)
        refuse_overlap(method.out, inputs.starts, inputs.root)
        key = key_outside(method.out, job.key) if job.key else None
        shard = Shard.parse(job.shard, os.environ)
        if line := unsharded(shard, os.environ):
            log.say(line)
        if job.shard == "auto" and not shard:
            log.say("--shard auto: no SLURM array here, so that this does the whole job")
        return cls(job, method, inputs, selection, shard, limits, Disguise.of(job, key))

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
            arrays=self.method.arrays,
        )
        if self.disguise:
            found = self.disguise.scan(found)
        others = sum(series.format != "dicom" for series in found.series)
        if others and (idle := self._of_dicom):
            log.warn(f"{idle}: of no use to {others} series of other formats than DICOM")
        skipped = (left.path for left in found.left_out if left.status == "skipped")
        self.method.layout.refuse_clashes(
            (i.target for series in found.series for i in series.instances),
            skipped if job.copy_others else (),
        )
        return found

    @contextmanager
    def bounded(self) -> Iterator[Workers]:
        """The limits in force, and workers that keep to them."""
        limits, memory = self.limits, self.limits.memory or None
        with (
            limited(limits),
            Workers(self.method.workers, seconds=limits.seconds, limit_bytes=memory) as workers,
        ):
            yield workers

    @contextmanager
    def opened(self, log: Log) -> Iterator[Run]:
        """The output folder, which is this run's alone as long as it lasts."""
        with open_run(
            self.out,
            command=self.method.command,
            settings=self.settings,
            defaults=assumed(type(self.job)),
            facts=self.facts,
            shard=self.shard,
            overwrite=self.job.overwrite,
            key=self.job.key,
        ) as run:
            if self.disguise:
                run.pin("key", self.disguise.pseudonyms.name("key", ""))
            for warning in run.warnings:
                log.warn(warning)
            yield run

    @property
    def _of_dicom(self) -> str:
        """The options asked for that say something about DICOM objects alone."""
        asked = {"--syntax": self.job.syntax != "keep", "--stamp": self.job.stamp}
        return ", ".join(option for option, on in asked.items() if on)

    @property
    def out(self) -> Path:
        """The output folder."""
        return self.method.out

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """What the output folder belongs to, by kind."""
        result = values(self.job, "result") | self.method.settings
        return {"result": result, "form": values(self.job, "form")}

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
            "device": self.method.device,
            "model": self.method.name,
        }
