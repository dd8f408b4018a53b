"""What ``medclean undersample`` does to series: their k-space, some of it, and back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from medclean import __version__, device
from medclean.archive.derivation import CODES, Derivation, Written
from medclean.archive.gaps import fault
from medclean.archive.layout import Layout
from medclean.archive.series import Series
from medclean.catalog import MASKS
from medclean.inference.statistics import Statistics
from medclean.jobs._setting import values
from medclean.jobs.undersample import UndersampleJob
from medclean.options import spec
from medclean.physics.masks._base import Pattern
from medclean.pipelines._estimate import pixels_of
from medclean.pipelines._kspace import OfCoils, OfImages
from medclean.pipelines._method import UNKNOWN, Command, Refusal, Verdict, Way
from medclean.pipelines._work import Work
from medclean.volume import Mask

SAMPLE = 8  # bytes of a value of k-space


@dataclass(frozen=True)
class Undersampling:
    """A ``Method``.

    Attributes:
        job: What was asked.
        pattern: What is sampled.
        workers: Processes that read and write.
    """

    job: UndersampleJob
    pattern: Pattern
    workers: int

    command: ClassVar[Command] = "undersample"
    device: ClassVar[str] = "cpu"
    layout: ClassVar[Layout] = Layout()
    keeps: ClassVar[bool] = False
    bare: ClassVar[str] = UNKNOWN
    arrays: ClassVar[bool] = True
    figures: ClassVar[None] = None

    @classmethod
    def of(cls, job: UndersampleJob) -> "Undersampling":
        """What a job means on this machine.

        Raises:
            UsageError: No such mask, or an option that cannot be.
        """
        return cls(job, MASKS.make(job.mask), device.share_processes(job.workers))

    @cached_property
    def name(self) -> str:
        """Of the mask."""
        return self.job.mask.partition(":")[0]

    @property
    def out(self) -> Path:
        """The output folder."""
        return self.job.out

    @property
    def whole(self) -> bool:
        """Whether a volume has one k-space."""
        return self.job.transform == "3d"

    @property
    def ratio(self) -> float:
        """Share of k-space that shall be sampled."""
        return self.pattern.share

    @property
    def settings(self) -> dict[str, Any]:
        """The mask as it was understood, with all its options."""
        return {"mask": {"name": self.name, "options": asdict(self.pattern)}}

    def refusal(self, series: Series) -> Refusal | None:
        """What has no k-space of its own."""
        if series.bare:
            return Refusal(f"{series.bare}: {self.bare}")
        if self.job.force:
            return None
        if series.modality not in ("MR", ""):
            why = f"k-space is sampled in MR, and these are {series.modality} images"
        elif "phase" in series.kinds:
            why = "phase images have no k-space without their magnitudes"
        else:
            return None
        return Refusal(f"{why}; --force takes them all the same")

    def fault(self, series: Series) -> str:
        """Slices that are not all of a volume, at even distances, have no k-space in common."""
        return fault(series) if self.whole and not self.job.allow_missing else ""

    def weights(self, todo: Sequence[Series]) -> Mapping[str, str]:
        """None."""
        return {}

    def room(self, series: Series) -> int:
        """Of its k-space."""
        return SAMPLE * pixels_of(series)

    def measure(self, series: Series, work: Work) -> Statistics:
        """Nothing has to be known."""
        return Statistics(1.0)

    def ways(self, series: Series, work: Work) -> Iterator[Way]:
        """In this process."""
        yield OfCoils(work, self) if series.format == "array" else OfImages(work, self)

    def mask(self, series: Series, shape: tuple[int, ...]) -> Mask:
        """What is sampled of a slice or a volume: alike for all of this shape in a series."""
        rng = np.random.default_rng((self.job.seed, series.seed, *shape))
        return self.pattern(shape, rng)

    def derivation(self, series: Series, machine: Mapping[str, Any]) -> Derivation:
        """Says how much of k-space is sampled, with which mask and from which seed."""
        mask = spec(self.name, self.pattern)
        how = f"{self.ratio:.4g} of {self.job.transform[0]}-D k-space, seed {self.job.seed}"
        return Derivation(
            command=self.command,
            model=self.name,
            code=CODES["SIMKSPACE"],
            settings=values(self.job, "result") | self.settings,
            version=__version__,
            title=f"medclean {__version__} {self.command}, mask {mask}: {how}",
            suffix=Derivation.suffix_of([self.name]),
        )

    def context(self, series: Series) -> int | None:
        """Each slice for itself, or all of a volume."""
        return None if self.whole else 1

    def judge(
        self, series: Series, written: Mapping[str, Written], statistics: Statistics, work: Work
    ) -> Verdict:
        """What was sampled stands with the output."""
        return Verdict({})
