"""Series of several runs side by side, the outlying ones first, with pictures of as many as fit."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic

from medclean.archive.runs.finished import Finished
from medclean.archive.workers import Workers
from medclean.errors import DataError
from medclean.log import Bar
from medclean.pipelines import _record
from medclean.pipelines._fusion import under
from medclean.pipelines._origins import Origin
from medclean.pipelines._sight import Sight, described
from medclean.pipelines._viewing import Mean, Room, view
from medclean.report.page import Case, Pictures, Result

GONE = "its images before are not where the run read them, or are others now; say --study DIR"
NO_IMAGES = "what coils measured is no image: there is nothing to lay beside the result"
HEAVY = 40_000  # bytes of a series with its graphs beside its pictures
LEAST = 120_000  # bytes of pictures that are worth a look
IMAGES = ("denoise", "add-noise", "undersample")  # what they make lies at the path of its source


@dataclass(frozen=True)
class Told:
    """A run, and what it is called on the page."""

    name: str
    found: Finished


@dataclass
class Entry:
    """A series, and where to find it."""

    key: str
    case: Case
    runs: tuple[Told, ...] = ()
    means: list[Mean] = field(default_factory=list)
    scale: float = 0.0
    unit: str = ""


@dataclass(frozen=True)
class Cohort:
    """All series of some runs.

    Attributes:
        runs: One a method.
        label: How a series is called, by its key.
        identifiable: Paths may be told.
        blind: Methods may not.
    """

    runs: Sequence[Told]
    label: Callable[[str], str]
    identifiable: bool = False
    blind: bool = False

    def entries(self) -> list[Entry]:
        """Every series once, with what each run has made of it; the worst first."""
        of: dict[str, list[Told]] = {}
        for run in self.runs:
            theirs = (key for keys in run.found.missing.values() for key in keys)
            for key in dict.fromkeys([*run.found.series, *theirs]):
                of.setdefault(key, []).append(run)
        found = [Entry(key, self._case(key, runs), tuple(runs)) for key, runs in of.items()]
        found.sort(key=lambda entry: (entry.case.modality, entry.case.name))
        if self.blind:  # no figure may order what is to be read without knowing
            return sorted(found, key=lambda entry: entry.case.name)
        worst = {e.key: max(map(_record.rank, e.case.results)) for e in found}
        return sorted(found, key=lambda entry: worst[entry.key], reverse=True)

    def _case(self, key: str, runs: Sequence[Told]) -> Case:
        first = next((r.found.series[key] for r in runs if key in r.found.series), None)
        folder = str(Path(first.inputs[0]).parent) if first and first.inputs else ""
        return Case(
            self.label(key),
            str(first.facts.get("modality", "")) if first else "",
            len(first.inputs) if first else 0,
            tuple(self._result(run, key) for run in runs),
            about=folder if self.identifiable else "",
        )

    def _result(self, run: Told, key: str, where: _record.Where | None = None) -> Result:
        if key in run.found.series:
            return _record.result(
                run.found,
                key,
                run.name,
                identifiable=self.identifiable,
                blind=self.blind,
                where=where,
            )
        shard = next(shard for shard, keys in run.found.missing.items() if key in keys)
        why = "" if self.blind else f"shard {shard.number} of {shard.of} has left no journal"
        return Result(run.name, "pending", why)

    def illustrate(
        self,
        entries: Sequence[Entry],
        origins: Mapping[str, Origin],
        room: Room,
        *,
        workers: Workers,
        bar: Bar,
        reference: Path | None = None,
        until: float | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> list[str]:
        """Add pictures to entries, in their order; returns what had no room or no time.

        Args:
            entries: What to show.
            origins: Sources by key.
            room: What all of them may take together.
            workers: They read.
            bar: Told of series that are through.
            reference: Folder of the truth.
            until: When to stop, by ``monotonic``.
            check: Called now and then; raises where the command shall stop.
        """
        several = len(self.runs)
        done = [entry for entry in entries if self._has_images(entry)]
        unseen = {entry.key: self._unseen(origins.get(entry.key)) for entry in done}
        shown = [entry for entry in done if not unseen[entry.key]]
        for entry in done:
            if why := unseen[entry.key]:
                entry.case = replace(entry.case, pictures=Pictures(gaps=(why,)))
                bar.advance()
        fits = int(room.bytes // (LEAST * max(several, 1) + HEAVY))
        others = {e.case.name: self._sight(e, origins[e.key], None) for e in shown}
        left, late = room.bytes, 0
        for place, entry in enumerate(shown[:fits]):
            check()
            if until is not None and monotonic() > until and place:
                late = len(shown[:fits]) - place
                break
            weights = [_slices(origins[e.key], room) for e in shown[place:fits]]
            share = (left - HEAVY * len(weights)) * weights[0] / sum(weights)
            sight = self._sight(entry, origins[entry.key], reference)
            names = [run.name for run in entry.runs]
            below = under(sight, others, workers) if room.volumes else None
            viewed = view(sight, names, replace(room, bytes=share), workers, below)
            results = tuple(self._result(run, entry.key, sight.place) for run in entry.runs)
            entry.case = replace(
                entry.case,
                pictures=viewed.pictures,
                results=results if viewed.pictures.views else entry.case.results,
            )
            if self.identifiable:
                entry.case = _described(entry.case, origins[entry.key], workers)
            entry.means, entry.unit, entry.scale = viewed.means, viewed.unit, viewed.scale
            left -= _weight(viewed.pictures) + HEAVY
            bar.advance()
        said = []
        if len(shown) > fits:
            said.append(
                f"images of {fits} of {len(shown)} series are shown, the outlying ones first; "
                "--max-mb makes room for more"
            )
        if late:
            said.append(
                f"images of {late} more series were left out to keep the time short; "
                "`medclean report` shows them"
            )
        return said

    @staticmethod
    def _unseen(origin: Origin | None) -> str:
        """Why the images of a series before are not shown; ``""`` where they can be."""
        if origin is None:
            return GONE
        _, series = origin
        return NO_IMAGES if series.format == "array" else ""

    def _has_images(self, entry: Entry) -> bool:
        """Whether a run made images of a series that can be laid beside it."""
        return any(
            run.found.command in IMAGES and _outputs(run.found, entry.key) for run in entry.runs
        )

    def _sight(self, entry: Entry, origin: Origin, reference: Path | None) -> Sight:
        states = [run.found.series.get(entry.key) for run in entry.runs]
        scales = [s.record.get("scale") for s in states if s]
        return Sight(
            *origin,
            outputs=tuple(_outputs(run.found, entry.key) for run in entry.runs),
            reference=reference,
            scale=next((float(s) for s in scales if isinstance(s, int | float)), None),
            spots=tuple(
                spot
                for run in entry.runs
                if entry.key in run.found.series
                for spot in _record.spots(run.found, entry.key, all_=not self.blind)
            ),
            identifiable=self.identifiable,
        )


def counts_of(entries: Sequence[Entry]) -> dict[str, int]:
    """Series by what became of them, and results by verdict."""
    results = [one for entry in entries for one in entry.case.results]
    status = Counter[str](one.status for one in results)
    verdicts = Counter[str](one.verdict for one in results if one.verdict)
    return {**status, **verdicts}


def _outputs(found: Finished, key: str) -> dict[str, Path]:
    """The file that came of each input of a series, where the record names one below the output."""
    series = found.series.get(key)
    if series is None or found.status(key) != "done":
        return {}
    lines = ((path, found.state.inputs.get(path, {}).get("output")) for path in series.inputs)
    return {path: found.out / output for path, output in lines if output in series.files}


def _described(case: Case, origin: Origin, workers: Workers) -> Case:
    """With what its first file calls the series."""
    if origin.series.format != "dicom":
        return case
    path = origin.root / origin.series.instances[0].path
    try:
        said = workers.submit(described, path).result()
    except DataError:
        return case
    return replace(case, about=", ".join(filter(None, (case.about, said))))


def _slices(origin: Origin, room: Room) -> int:
    """What a series may want of the room."""
    return min(max(len(group.frames) for group in origin.series.groups), room.slices)


def _weight(shown: Pictures) -> int:
    """Characters of all pictures of a series."""
    return sum(
        len(picture)
        for of in shown.views
        for one in of.slices
        for picture in (one.before, *one.after, *one.removed, *one.error)
    )
