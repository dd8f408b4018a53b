"""One series from the archive through what is done to it and back, whatever that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from medclean.archive import formats
from medclean.archive.runs.run import Run
from medclean.archive.series import Instance, Series, key_of
from medclean.archive.workers import Workers
from medclean.errors import DataError, Exit, GateCrossed, MissingError
from medclean.inference.ladder import OutOfMemory
from medclean.inference.statistics import Statistics, of_series
from medclean.jobs._series import Scale, SeriesJob
from medclean.log import Bar, Log
from medclean.pipelines._disguise import Disguise
from medclean.pipelines._method import Method
from medclean.pipelines._output import Output
from medclean.signals import Stop


@dataclass(frozen=True)
class Gap:
    """A file that a derived series lacks.

    Attributes:
        path: Of the source, or what stands for it.
        flaw: Why it cannot be read.
        place: Where its image lies in its stack, as in ``place 12 of 24``; ``""`` if nowhere.
    """

    path: str
    flaw: str
    place: str

    @classmethod
    def of(cls, series: Series, instance: int, flaw: str) -> "Gap":
        """A file of the whole series."""
        return cls(series.instances[instance].name, flaw, series.place(instance))

    @property
    def why(self) -> str:
        """What is said of the file."""
        return f"{self.flaw} ({self.place})" if self.place else self.flaw

    @property
    def note(self) -> str:
        """What is said of the series."""
        return f"{self.place} is damaged and left out; none is taken for its neighbour"


@dataclass(frozen=True)
class Work:
    """What it takes to do one series after another.

    Attributes:
        job: What was asked.
        root: Folder that all input paths are relative to.
        method: What is done to each.
        run: The record.
        workers: Processes that read and write.
        stop: Whether a signal came.
        bar: Counts slices.
        log: Says what the user should know of a series that is done.
        located: Where the localizers are that images refer to, as in ``Scan``.
        disguise: What stands for what could identify; None where nothing does.
        uids: SOP Instance UIDs that were written; the same one twice would be a bug.
    """

    job: SeriesJob
    root: Path
    method: Method
    run: Run
    workers: Workers
    stop: Stop
    bar: Bar
    log: Log
    located: Mapping[str, tuple[str, str]]
    disguise: Disguise | None = None
    uids: set[str] = field(default_factory=set)

    def do(self, whole: Series) -> None:
        """Do a series and commit it, in the next way where memory runs out.

        Raises:
            DataError: It cannot be read, or not be taken as it is, or its outputs' names are taken.
            GateCrossed: Its figures cross a limit; what was staged is dropped.
            MissingError: It does not fit into memory, whatever is tried.
            Stopped: A signal came; what was computed is staged.
        """
        if why := self.method.fault(whole):
            raise DataError(why)
        layout, files = self.method.layout, whole.instances
        self.run.refuse_foreign(
            whole.key, chain.from_iterable(layout.paths(file.target) for file in files)
        )
        flaws = self.flaws(whole) if self.job.allow_gaps else {}
        while True:
            try:
                return self._do(whole, flaws)
            except DataError:
                before = len(flaws)
                if self.job.allow_gaps:  # a file may have become unreadable meanwhile
                    flaws = dict(sorted((self.flaws(whole) | flaws).items()))
                if len(flaws) == before:
                    raise

    def _do(self, whole: Series, flaws: Mapping[int, str]) -> None:
        """Do a series without some of its files, and why it is without them."""
        if len(flaws) == len(whole.instances):
            raise DataError("none of its files can be read")
        series = whole.without(flaws) if flaws else whole
        statistics = self.method.measure(series, self)
        gaps = [Gap.of(whole, *flaw) for flaw in flaws.items()]
        for way in self.method.ways(series, self):
            output = self._output(series, way.machine, [whole.instances[place] for place in flaws])
            try:
                way.compute(series, output, statistics)
                output.copy_beside()
                output.drain()
            except (OutOfMemory, MemoryError):
                continue
            except DataError:
                output.cancel()  # the next attempt writes the same paths
                raise
            return self._commit(series, output, statistics, gaps)
        raise MissingError("memory is too small for one slice of it; use a machine with more")

    def name(self, series: Series) -> str:
        """How a series is called on the screen."""
        return f"{series.modality or 'series'} {self.run.label(series.key)}"

    def flaws(self, series: Series) -> dict[int, str]:
        """Which of a series' files cannot be read, and why."""
        hidden = self.disguise and self.disguise.of_images(series)
        changed = not self.method.keeps
        check = partial(formats.flaw, self.root, changed=changed, deidentification=hidden)
        places = range(len(series.instances))
        tasks = [self.workers.submit(check, series.alone(place), 0) for place in places]
        return {place: why for place, task in enumerate(tasks) if (why := formats.told(task))}

    def statistics(self, series: Series, *, noise: bool, rule: Scale) -> Statistics:
        """One pass over a series: what 1 means in it, and its noise where that is asked for."""
        check = self.stop.check
        return of_series(self.root, series, self.workers, noise=noise, rule=rule, check=check)

    def _output(
        self, series: Series, machine: Mapping[str, Any], left_out: Sequence[Instance]
    ) -> Output:
        method, run = self.method, self.run
        derivation = replace(
            method.derivation(series, machine), stamp=run.stamp if self.job.stamp else None
        )
        names = sorted(instance.uid or instance.path for instance in left_out)
        settle = partial(
            formats.plan,
            series,
            context=method.context(series),
            syntax=self.job.syntax,
            left_out=names,
            deidentification=self.disguise and self.disguise.of_images(series),
            located={u: at for u, at in self.located.items() if at[0] == series.study_uid},
        )
        return Output(
            self.root,
            series,
            {role: settle(replace(derivation, role=role)) for role in method.layout.roles},
            layout=method.layout,
            figures=method.figures,
            run=run,
            workers=self.workers,
            staged=run.begin(
                series.key, machine={**machine, "left out": key_of(i.name for i in left_out)}
            ),
        )

    def _commit(
        self, series: Series, output: Output, statistics: Statistics, gaps: Sequence[Gap]
    ) -> None:
        kept = output.kept
        uids = [written.uid for written in kept.values() if written.uid]
        if len({*uids} - self.uids) < len(uids):
            raise RuntimeError("two derived instances of one run have the same UID")
        told = {note for written in kept.values() for note in written.notes}
        notes = sorted({*series.notes, *told, *(gap.note for gap in gaps if gap.place)})
        if output.no_residual:
            notes.append(f"no residual: {output.no_residual}")
            self.log.warn(f"{self.name(series)}: {notes[-1]}")
        verdict = self.method.judge(series, kept, statistics, self)
        record = {
            "clamped": sum(written.clamped for written in kept.values()),
            "padding_moved": sum(written.padding_moved for written in kept.values()),
            "repaired": any(instance.repaired for instance in series.instances),
            "notes": notes,
            **verdict.facts,
            **output.facts,
        }
        if verdict.held:
            self.run.forget(series.key, record)
            raise GateCrossed(
                f"{verdict.crossed}: nothing of it is written; --keep-failed writes it all the same"
            )
        self.uids.update(uids)
        for gap in gaps:
            self.log.warn(f"{self.name(series)} is incomplete: {gap.path}: {gap.why}")
        failed = {gap.path: {"status": "failed", "reason": gap.why} for gap in gaps}
        gates = [Exit.GATE_CROSSED] * bool(verdict.crossed)
        status = Exit.of([Exit.PARTIAL] * bool(gaps) + gates)
        files = {path: written.sha256 for path, written in kept.items()}
        self.run.commit(series.key, files, record, inputs=output.inputs | failed, status=status)
