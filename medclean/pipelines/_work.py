"""One series from the archive through the model and back, by workers or by an engine here."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, Protocol

from medclean import __version__
from medclean.archive import formats
from medclean.archive.derivation import CODES, Derivation
from medclean.archive.layout import Layout
from medclean.archive.runs.run import Run
from medclean.archive.series import Instance, Series, key_of
from medclean.archive.workers import Workers
from medclean.device import Precision
from medclean.errors import DataError, Exit, GateCrossed, MissingError
from medclean.inference.denoiser import Denoiser
from medclean.inference.ladder import OutOfMemory, Rung, below
from medclean.inference.statistics import Statistics, of_series
from medclean.jobs._setting import values
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Bar, Log
from medclean.models._filter import Filter
from medclean.pipelines._output import Output
from medclean.pipelines._safety import judge
from medclean.quality.gates import Gate
from medclean.signals import Stop
from medclean.volume import CT_SCALE


class Way(Protocol):
    """How the images of a series are computed."""

    @property
    def machine(self) -> dict[str, Any]:
        """All that rounding depends on, fit for JSON; among it ``device`` and ``dtype``."""

    def compute(self, series: Series, output: Output, figures: Statistics) -> None:
        """Put into the output what it does not have yet.

        Raises:
            OutOfMemory: It does not fit; nothing of it is still being written.
            Stopped: A signal came; what was computed is staged.
        """


@dataclass(frozen=True)
class Work:
    """What it takes to denoise one series after another.

    Attributes:
        job: What was asked.
        root: Folder that all input paths are relative to.
        denoiser: What ``--model`` names.
        filter: What workers apply by themselves; None where this process computes.
        rung: How slices go through it as long as memory lasts.
        precision: Arithmetic of the network for each modality: ``"float32"`` or ``"bf16"``.
        run: The record.
        workers: Processes that read and write.
        stop: Whether a signal came.
        bar: Counts slices.
        layout: What is made of each file, and where it lies.
        log: Says what the user should know of a series that is done.
        located: Where the localizers are that images refer to, as in ``Scan``.
        gates: Limits that no series may cross.
        uids: SOP Instance UIDs that were written; the same one twice would be a bug.
    """

    job: DenoiseJob
    root: Path
    denoiser: Denoiser
    filter: Filter | None
    rung: Rung
    precision: Mapping[str, Precision]
    run: Run
    workers: Workers
    stop: Stop
    bar: Bar
    layout: Layout
    log: Log
    located: Mapping[str, tuple[str, str]]
    gates: Sequence[Gate] = ()
    uids: set[str] = field(default_factory=set)

    def do(self, series: Series) -> None:
        """Denoise a series and commit it, on the next rung of the ladder where memory runs out.

        Raises:
            DataError: It cannot be read, or its outputs' names are taken.
            GateCrossed: Its safety figures cross a limit; what was staged is dropped.
            MissingError: It does not fit into memory, whatever is tried.
            Stopped: A signal came; what was computed is staged.
        """
        paths = chain.from_iterable(self.layout.paths(file.path) for file in series.instances)
        self.run.refuse_foreign(series.key, paths)
        flaws = self.flaws(series) if self.job.allow_gaps else {}
        if len(flaws) == len(series.instances):
            raise DataError("none of its files can be read")
        if self.filter:
            from medclean.pipelines._files import Files

            return self._attempt(series, flaws, Files(self, self.filter))
        from medclean.pipelines._slices import Slices

        by_slice = self.denoiser.model(series.modality).scope == "slice"
        rungs = [self.rung, *below(self.rung, by_slice=by_slice)]
        known = self.run.rung(series.key)  # of an earlier start, perhaps with another --device
        first = next((n for n, rung in enumerate(rungs) if asdict(rung) == known), 0)
        for rung, lower in zip_longest(rungs[first:], rungs[first + 1 :]):
            try:
                return self._attempt(series, flaws, Slices(self, rung, series.modality))
            except (OutOfMemory, MemoryError):
                self.run.event("out of memory", series=series.key, rung=str(rung))
                if lower:
                    self.run.note_rung(series.key, asdict(lower))
        raise MissingError("memory is too small for one slice of it; use a machine with more")

    def name(self, series: Series) -> str:
        """How a series is called on the screen."""
        return f"{series.modality or 'series'} {self.run.label(series.key)}"

    def flaws(self, series: Series) -> dict[int, str]:
        """Which of a series' files cannot be read, and why."""
        check = partial(formats.flaw, self.root)
        places = range(len(series.instances))
        tasks = [self.workers.submit(check, series.alone(place), 0) for place in places]
        return {place: why for place, task in enumerate(tasks) if (why := formats.told(task))}

    def _attempt(self, whole: Series, flaws: dict[int, str], way: Way) -> None:
        series = whole.without(flaws) if flaws else whole
        figures = self._measure(series)
        output = self._output(series, way.machine, [whole.instances[place] for place in flaws])
        way.compute(series, output, figures)
        output.copy_beside()
        output.drain()
        named = {whole.instances[place].path: flaw for place, flaw in flaws.items()}
        self._commit(series, output, figures, named)

    def _measure(self, series: Series) -> Statistics:
        """One pass over the series, where the model needs to know more than single slices."""
        model = self.denoiser.model(series.modality)
        if not self.denoiser.measures(series.modality):
            return Statistics(CT_SCALE if series.modality == "CT" else 1.0)
        found = self._statistics(series, noise=model.wants_sigma)
        return found if model.wants_sigma else replace(found, sigma=None)

    def _statistics(self, series: Series, *, noise: bool) -> Statistics:
        rule, check = self.job.scale, self.stop.check
        return of_series(self.root, series, self.workers, noise=noise, rule=rule, check=check)

    def _scale(self, series: Series, figures: Statistics) -> float:
        """What 1 means in a series, also where the model did not ask."""
        known = series.modality == "CT" or self.denoiser.measures(series.modality)
        return figures.scale if known else self._statistics(series, noise=False).scale

    def _output(
        self, series: Series, machine: Mapping[str, Any], left_out: Sequence[Instance]
    ) -> Output:
        model = self.denoiser.model(series.modality)
        derivation = self._derivation(series, machine)
        names = sorted(instance.uid or instance.path for instance in left_out)
        settle = partial(
            formats.plan,
            series,
            context=model.context if model.scope == "slice" else None,
            syntax=self.job.syntax,
            left_out=names,
            located={u: at for u, at in self.located.items() if at[0] == series.study_uid},
        )
        return Output(
            self.root,
            series,
            {role: settle(replace(derivation, role=role)) for role in self.layout.roles},
            layout=self.layout,
            run=self.run,
            workers=self.workers,
            staged=self.run.begin(series.key, machine={**machine, "left out": key_of(names)}),
        )

    def _derivation(self, series: Series, machine: Mapping[str, Any]) -> Derivation:
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
            stamp=self.run.stamp if self.job.stamp else None,
        )

    def _commit(
        self, series: Series, output: Output, figures: Statistics, flaws: Mapping[str, str]
    ) -> None:
        kept = output.kept
        uids = [written.uid for written in kept.values() if written.uid]
        if len({*uids} - self.uids) < len(uids):
            raise RuntimeError("two derived instances of one run have the same UID")
        told = {note for written in kept.values() for note in written.notes}
        notes = sorted({*series.notes, *told})
        if output.no_residual:
            notes.append(f"no residual: {output.no_residual}")
            self.log.warn(f"{self.name(series)}: {notes[-1]}")
        changed = any(written.safety for written in kept.values())
        scale = self._scale(series, figures) if changed else figures.scale
        safety = judge(kept, series.modality, scale=scale, gates=self.gates)
        record = {
            "scale": scale,
            "sigma": figures.sigma,
            "clamped": sum(written.clamped for written in kept.values()),
            "padding_moved": sum(written.padding_moved for written in kept.values()),
            "repaired": any(instance.repaired for instance in series.instances),
            "notes": notes,
            "safety": safety,
            **output.facts,
        }
        crossed = "; ".join(safety["crossed"])
        if crossed and not self.job.keep_failed:
            self.run.forget(series.key, record)
            raise GateCrossed(
                f"{crossed}: nothing of it is written; --keep-failed writes it all the same"
            )
        self.uids.update(uids)
        for path, flaw in flaws.items():
            self.log.warn(f"{self.name(series)} is incomplete: {path} {flaw}")
        failed = {path: {"status": "failed", "reason": flaw} for path, flaw in flaws.items()}
        status = Exit.of([Exit.PARTIAL] * bool(flaws) + [Exit.GATE_CROSSED] * bool(crossed))
        files = {path: written.sha256 for path, written in kept.items()}
        self.run.commit(series.key, files, record, inputs=output.inputs | failed, status=status)
