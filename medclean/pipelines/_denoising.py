"""What ``medclean denoise`` does to series: a filter in workers, or a model here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, ClassVar

from medclean import __version__, device
from medclean.archive.derivation import CODES, Derivation, Written
from medclean.archive.layout import Layout
from medclean.archive.runs import default_out
from medclean.archive.series import Series
from medclean.device import Precision
from medclean.errors import Exit, UsageError
from medclean.inference.denoiser import BARE, Denoiser
from medclean.inference.filtering import Filtering
from medclean.inference.ladder import Rung, below
from medclean.inference.measured import safety_of
from medclean.inference.statistics import Statistics
from medclean.jobs._setting import changed, values
from medclean.jobs.denoise import DenoiseJob
from medclean.models._filter import Filter
from medclean.pipelines._method import Command, Refusal, Verdict, Way
from medclean.pipelines._safety import judge
from medclean.pipelines._work import Work
from medclean.quality.gates import Gate, parse
from medclean.volume import CT_SCALE

BATCH = {"cpu": 4, "cuda": 16, "mps": 4}  # slices computed together where nobody says


@dataclass(frozen=True)
class Denoising:
    """A ``Method``.

    Attributes:
        job: What was asked.
        denoiser: What ``--model`` names.
        out: The output folder.
        rung: How slices go through the model as long as memory lasts.
        workers: Processes that read and write; they apply a filter themselves.
        precision: Arithmetic of the network for each modality.
        gates: Limits that no series may cross.
    """

    job: DenoiseJob
    denoiser: Denoiser
    out: Path
    rung: Rung
    workers: int
    precision: Mapping[str, Precision]
    gates: tuple[Gate, ...]

    command: ClassVar[Command] = "denoise"
    arrays: ClassVar[bool] = False
    figures = staticmethod(safety_of)

    @classmethod
    def of(cls, job: DenoiseJob) -> "Denoising":
        """What a job means on this machine.

        Raises:
            MedcleanError: Usage, missing weights or device.
        """
        gates, denoiser = parse(job.fail_on), Denoiser.of(job.model, force=job.force)
        if job.ensemble and denoiser.scope == "series":
            raise UsageError(f"--ensemble turns slices, and {job.model} takes a series at once")
        out = job.out or _default_out(job, denoiser)
        where, workers = _where(job, denoiser)
        return cls(
            job=job,
            denoiser=denoiser,
            out=out,
            rung=Rung(where, job.batch or BATCH[where.partition(":")[0]], job.tile),
            workers=workers,
            precision={m: _precision(job, where, denoiser, m) for m in denoiser.modalities},
            gates=gates,
        )

    @property
    def name(self) -> str:
        """Of the model."""
        return self.denoiser.name

    @property
    def keeps(self) -> bool:
        """Only ``identity`` does."""
        return self.name == "identity"

    @property
    def bare(self) -> str:
        """Only ``identity`` takes what does not say what its images are."""
        return "" if self.keeps else BARE

    @property
    def device(self) -> str:
        """Where it computes."""
        return self.rung.device

    @property
    def filter(self) -> Filter | None:
        """What workers apply by themselves; None where this process computes."""
        return None if self.job.ensemble else self.denoiser.filter

    @property
    def layout(self) -> Layout:
        """The image, and what was removed if it was asked for."""
        return Layout(("image", "residual") if self.job.residual else ("image",))

    @property
    def settings(self) -> dict[str, Any]:
        """The model's options, and its precision."""
        return self.denoiser.settings() | {"precision": dict(self.precision)}

    def refusal(self, series: Series) -> Refusal | None:
        """What the model says; weights that are missing count as such."""
        why = self.denoiser.refusal(series)
        plain = series.bare or self.denoiser.plain
        otherwise = Exit.NOTHING_TO_DO if plain else Exit.MISSING
        return Refusal(why, otherwise) if why else None

    def fault(self, series: Series) -> str:
        """No slice is computed from one beyond a gap."""
        return ""

    def weights(self, todo: Sequence[Series]) -> Mapping[str, str]:
        """Of a network."""
        return self.denoiser.weights(todo)

    def room(self, series: Series) -> int:
        """Nothing lies there."""
        return 0

    def measure(self, series: Series, work: Work) -> Statistics:
        """One pass over the series, where the model needs to know more than single slices."""
        if not self.denoiser.measures(series.modality):
            return Statistics(CT_SCALE if series.modality == "CT" else 1.0)
        noise = self.denoiser.model(series.modality).wants_sigma
        found = work.statistics(series, noise=noise, rule=self.job.scale)
        found = found if noise else replace(found, sigma=None)
        if self.job.native == "off" or not self.denoiser.knows_white_noise(series.modality):
            return found
        from medclean.inference.interpolated import of_groups

        groups = of_groups(
            work.root, series, work.workers, scale=found.scale, check=work.stop.check
        )
        return replace(found, interpolated=groups)

    def ways(self, series: Series, work: Work) -> Iterator[Way]:
        """A filter has one; a model has the rungs of the ladder, from that of an earlier start."""
        if made := self.filter:
            from medclean.pipelines._files import Files

            job = self.job
            yield Files(work, lambda found: Filtering(made, found, job.strength, job.seed))
            return
        from medclean.pipelines._slices import Slices

        by_slice = self.denoiser.model(series.modality).scope == "slice"
        rungs = [self.rung, *below(self.rung, by_slice=by_slice)]
        known = work.run.rung(series.key)  # perhaps of a start with another --device
        first = next((n for n, rung in enumerate(rungs) if asdict(rung) == known), 0)
        for rung, lower in zip_longest(rungs[first:], rungs[first + 1 :]):
            yield Slices(work, self, rung, series.modality)
            work.run.event("out of memory", series=series.key, rung=str(rung))
            if lower:
                work.run.note_rung(series.key, asdict(lower))

    def derivation(self, series: Series, machine: Mapping[str, Any]) -> Derivation:
        """A filter's, or a network's with its weights."""
        name, network = self.denoiser.name, not self.denoiser.plain
        settings = values(self.job, "result") | self.denoiser.settings()
        return Derivation(
            command="denoise",
            model=name,
            code=CODES[self.denoiser.model(series.modality).code],
            settings=settings | {"precision": machine["dtype"]},
            version=__version__,
            title=f"medclean {__version__} denoise, model {name}",
            suffix=f" [medclean {name}]",
            weights=self.denoiser.loaded(series.modality).sha256 if network else None,
            machine=f"{machine['device']} {machine['dtype']}" if network else None,
        )

    def context(self, series: Series) -> int | None:
        """What the model sees; None for one of whole series."""
        model = self.denoiser.model(series.modality)
        return model.context if model.scope == "slice" else None

    def judge(
        self, series: Series, written: Mapping[str, Written], statistics: Statistics, work: Work
    ) -> Verdict:
        """The safety figures, and the gates."""
        changed = any(file.figures for file in written.values())
        known = series.modality == "CT" or self.denoiser.measures(series.modality)
        if changed and not known:  # what 1 means, though the model did not ask
            scale = work.statistics(series, noise=False, rule=self.job.scale).scale
        else:
            scale = statistics.scale
        safety = judge(written, series.modality, scale=scale, gates=self.gates)
        crossed = "; ".join(safety["crossed"])
        told = scale if known or changed else None  # nobody asked what 1 means
        facts: dict[str, Any] = {"scale": told, "sigma": statistics.sigma, "safety": safety}
        if any(by != (1, 1) for by in statistics.interpolated):
            facts["interpolated"] = [list(by) for by in statistics.interpolated]
        return Verdict(facts, crossed, held=bool(crossed) and not self.job.keep_failed)


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
