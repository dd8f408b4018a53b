"""What ``medclean add-noise`` does to series: noises in workers, or sinograms on a GPU here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from medclean import __version__, device
from medclean.archive.derivation import CODES, Derivation, Written
from medclean.archive.layout import Layout
from medclean.archive.numbers import Pixels
from medclean.archive.remaking import Place
from medclean.archive.series import Series
from medclean.catalog import NOISES
from medclean.device import machine_class
from medclean.errors import UsageError
from medclean.inference.batches import Cut, cut
from medclean.inference.ladder import OutOfMemory, running_out_as
from medclean.inference.noising import Noising, Part, measured, noise_of
from medclean.inference.statistics import Statistics
from medclean.jobs._setting import values
from medclean.jobs.add_noise import AddNoiseJob
from medclean.physics.noise import _base
from medclean.physics.noise._chain import Chain
from medclean.pipelines._files import Files
from medclean.pipelines._here import feed
from medclean.pipelines._method import UNKNOWN, Command, Refusal, Verdict, Way
from medclean.pipelines._output import Output
from medclean.pipelines._work import Work
from medclean.volume import Given, Image

TRIED = (16, 16)  # pixels that noises are tried on before a series is begun


@dataclass(frozen=True)
class AddingNoise:
    """A ``Method``.

    Attributes:
        job: What was asked.
        chain: The noises.
        device: Where it computes.
        workers: Processes that read, compute and write, or that only read and write.
    """

    job: AddNoiseJob
    chain: Chain
    device: str
    workers: int

    command: ClassVar[Command] = "add-noise"
    layout: ClassVar[Layout] = Layout()
    keeps: ClassVar[bool] = False
    bare: ClassVar[str] = UNKNOWN
    arrays: ClassVar[bool] = False
    figures = staticmethod(noise_of)

    @classmethod
    def of(cls, job: AddNoiseJob) -> "AddingNoise":
        """What a job means on this machine.

        Raises:
            MedcleanError: No such noise or device, or an option that cannot be.
        """
        chain = Chain(tuple(map(NOISES.make, job.noise)))
        where = str(device.choose(job.device)) if chain.sinogram or job.device != "auto" else "cpu"
        if not chain.sinogram or where == "cpu":
            return cls(job, chain, "cpu", device.share_processes(job.workers))
        return cls(job, chain, where, device.share_threads(job.workers, device=where).workers)

    @property
    def name(self) -> str:
        """Of the noises."""
        return "+".join(self.chain.names)

    @property
    def out(self) -> Path:
        """The output folder."""
        return self.job.out

    @property
    def settings(self) -> dict[str, Any]:
        """The noises as they were understood, with all their options."""
        noises = zip(self.chain.names, self.chain.noises, strict=True)
        return {"noise": [{"name": name, "options": asdict(noise)} for name, noise in noises]}  # type: ignore[call-overload]  # a dataclass

    def refusal(self, series: Series) -> Refusal | None:
        """Noises of other modalities, units or shapes of pixels than the series has."""
        if series.bare:
            return Refusal(f"{series.bare}: {self.bare}")
        given = Given(series.unit, 1.0, series.groups[0].spacing, series.modality, sigma=1.0)
        for name, noise in zip(self.chain.names, self.chain.noises, strict=True):
            if not self.job.force and not _base.fits(noise, given):
                why = _base.misfit(name, noise, given)
                return Refusal(f"{why}; --force adds it all the same")
        try:
            self.chain(np.zeros(TRIED, np.float32), np.random.default_rng(0), given)
        except UsageError as error:
            return Refusal(str(error))
        return None

    def fault(self, series: Series) -> str:
        """Each slice is computed by itself."""
        return ""

    def weights(self, todo: Sequence[Series]) -> Mapping[str, str]:
        """None."""
        return {}

    def room(self, series: Series) -> int:
        """Nothing lies there."""
        return 0

    def measure(self, series: Series, work: Work) -> Statistics:
        """One pass over the series, which tells what 1 means in it, and its own noise."""
        return work.statistics(series, noise=True, rule=self.job.scale)

    def ways(self, series: Series, work: Work) -> Iterator[Way]:
        """On the GPU, if there is one and it helps; else, and where it is too small, in workers."""
        if self.device != "cpu":
            yield _OnGpu(work, self)
            work.run.event("out of memory", series=series.key, rung=self.device)
        yield Files(work, partial(self.noising, on="cpu"), torch=self.chain.sinogram)

    def noising(self, statistics: Statistics, *, on: str) -> Noising:
        """What is done to each image of a series."""
        return Noising(self.chain, statistics, self.job.seed, on)

    def derivation(self, series: Series, machine: Mapping[str, Any]) -> Derivation:
        """Says which noise, how much of it and from which seed."""
        seed, where = f"seed {self.job.seed}", machine["device"]
        return Derivation(
            command=self.command,
            model=self.name,
            code=CODES["SIMNOISE"],
            settings=values(self.job, "result") | self.settings,
            version=__version__,
            title=f"medclean {__version__} {self.command}, noise {self.chain}; {seed}",
            suffix=Derivation.suffix_of(self.chain.names),
            machine=None if where == "cpu" else f"{where} {machine['dtype']}",
        )

    def context(self, series: Series) -> int | None:
        """Each slice for itself."""
        return 1

    def judge(
        self, series: Series, written: Mapping[str, Written], statistics: Statistics, work: Work
    ) -> Verdict:
        """What was asked and what is measured, in the unit of the series."""
        given = Given(series.unit, statistics.scale, (1.0, 1.0, 1.0), series.modality)
        asked = self.chain.given(given).sigma
        figures = (file.figures for _, file in sorted(written.items()))
        found = measured([Part(**file) for file in figures if file])
        facts = {
            "asked": asked,
            "measured": found.added,
            "before": statistics.sigma,
            "after": found.after,
            "unit": series.unit,
        }
        return Verdict({"scale": statistics.scale, "sigma": statistics.sigma, "noise": facts})


class _OnGpu:
    """A way to compute a series: image by image in this process.

    Args:
        work: What it takes.
        how: The noises.
    """

    def __init__(self, work: Work, how: AddingNoise) -> None:
        self.work, self.how = work, how

    @property
    def machine(self) -> dict[str, Any]:
        """All that rounding depends on."""
        import torch

        return machine_class(torch.device(self.how.device), "float32", batch=1, tile=None)

    def compute(self, series: Series, output: Output, statistics: Statistics) -> None:
        """Put every image into the output that it does not have yet.

        Raises:
            OutOfMemory: A sinogram does not fit; nothing of the series is still being written.
            Stopped: A signal came; what was computed is staged.
        """
        noising = self.how.noising(statistics, on=self.how.device)
        cuts = cut(series, batch=1, context=1)
        todo = [c for c in cuts if not output.has(c.own[0].instance)]
        self.work.bar.advance(len(cuts) - len(todo))

        def compute(this: Cut, pixels: Mapping[int, Pixels]) -> list[Image]:
            (frame,) = this.own
            place = Place(this.group, this.start, series.groups[this.group].spacing)
            one, alone = pixels[frame.instance].frame(frame.number), series.alone(frame.instance)
            with running_out_as(lambda: OutOfMemory(self.how.device)):
                return [noising.image(one, frame.number, alone, place)]

        feed(self.work, series, output, todo, compute)
