"""Runs, trainings and scores become a page."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from medclean import __version__
from medclean.archive.runs import RUN_FOLDER
from medclean.archive.runs.finished import Finished, is_run
from medclean.errors import UsageError
from medclean.pipelines import _record, _trained
from medclean.pipelines._cases import names_of
from medclean.pipelines._cohort import Cohort, Entry, Told, counts_of
from medclean.pipelines._together import sections
from medclean.report.page import Method, Page, Section

if TYPE_CHECKING:
    from medclean.pipelines._score_file import Scores

_SCORES = (".csv", ".json")


@dataclass(frozen=True)
class Sources:
    """What a page is about.

    Attributes:
        runs: Finished runs, or what is left of them.
        trainings: Drawn already, for they have no images.
        scores: By the name of their file.
        gaps: What their records lack.
    """

    runs: tuple[Told, ...] = ()
    trainings: tuple[Method, ...] = ()
    scores: Mapping[str, "Scores"] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()

    @classmethod
    def read(cls, paths: Sequence[Path], *, identifiable: bool) -> "Sources":
        """Runs, trainings and scores, each told by what it is.

        Raises:
            UsageError: One of them is none of these.
            DataError: One cannot be read.
        """
        paths = [one for path in paths for one in _trained.each(_whole(path))]
        opened = [_opened(path, identifiable=identifiable) for path in paths]
        folders = names_of(paths)
        names = folders if identifiable else _called([source for source, _ in opened])
        runs, trainings = list[Told](), list[Method]()
        scores = dict[str, "Scores"]()
        gaps: list[str] = []
        for folder, name, (source, lacking) in zip(folders, names, opened, strict=True):
            match source:
                case Finished():
                    runs.append(Told(name, source))
                case Method():
                    trainings.append(replace(source, name=name))
                case _:
                    scores[folder] = source.called(dict(zip(folders, names, strict=True)))
            gaps += _of(name, lacking, several=len(paths) > 1)
        return cls(tuple(runs), tuple(trainings), scores, tuple(gaps))

    @property
    def names(self) -> list[str]:
        """Of all methods."""
        scored = [name for of in self.scores.values() for name in of.results]
        own = [*(run.name for run in self.runs), *(one.name for one in self.trainings)]
        return list(dict.fromkeys([*own, *scored]))

    def renamed(self, names: Mapping[str, str]) -> "Sources":
        """With other names in their order, and nothing that tells the names they had."""
        runs = [replace(run, name=names[run.name]) for run in self.runs]
        scores = {
            f"scores {n}" if len(self.scores) > 1 else "scores": one.renamed(names)
            for n, one in enumerate(self.scores.values(), 1)
        }
        gaps = [f"the record of a method is not whole ({len(self.gaps)} gaps)"] if self.gaps else []
        runs.sort(key=lambda run: run.name)
        return Sources(tuple(runs), (), scores, tuple(gaps))


def page_of(
    sources: Sources,
    cohort: Cohort,
    entries: Sequence[Entry],
    gaps: Sequence[str],
    *,
    says: Sequence[str] = (),
) -> Page:
    """All that the page says.

    Args:
        sources: What it is about.
        cohort: The runs of it.
        entries: Their series, with pictures.
        gaps: What had no room.
        says: Lines about the page itself.
    """
    blind, open_ = cohort.blind, cohort.identifiable
    runs = [_method(run, blind=blind, identifiable=open_) for run in sources.runs]
    left = Counter[str]()
    for run in () if blind else sources.runs:
        left.update(_record.left_out(run.found, identifiable=open_))
    names = [run.name for run in sources.runs]
    scored = list(_scored(sources))
    untold = [gap for one in sources.scores.values() for gap in one.gaps]
    return Page(
        title=_title(sources, blind=blind),
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        version=__version__,
        methods=(*runs, *sources.trainings),
        cases=tuple(entry.case for entry in entries),
        sections=(*([] if blind else sections(entries, names)), *scored),
        left_out=tuple(left.most_common()),
        gaps=(*sources.gaps, *untold, *gaps),
        says=tuple(says),
        blind=blind,
        counts=counts_of(entries),
    )


def numbered(keys: Sequence[str]) -> Callable[[str], str]:
    """Names of series where there is no key to make them from: their places."""
    places = {key: f"{place:03}" for place, key in enumerate(sorted(keys), 1)}
    return lambda key: places[key]


def kind_of(source: "Finished | Method | Scores") -> str:
    """The model of a run or a training, else the command; nothing that a user has chosen."""
    match source:
        case Finished():
            return model_of(source) or source.command or "run"
        case Method():
            return source.title.split()[-1].partition(":")[0]
    return "scores"


def model_of(found: Finished) -> str:
    """The name of a run's model; ``""`` where it has none."""
    model = found.facts.get("model")
    return model.partition(":")[0] if isinstance(model, str) else ""


def _scored(sources: Sources) -> Iterator[Section]:
    if sources.scores:
        from medclean.pipelines._scored import sections  # slow to load, too

        for one in sources.scores.values():
            yield from sections(one)


def _method(run: Told, *, blind: bool, identifiable: bool) -> Method:
    if blind:
        return Method(run.name, f"method {run.name}", "what it is stands in the key", {})
    return _record.method(run.found, run.name, identifiable=identifiable)


def _title(sources: Sources, *, blind: bool) -> str:
    if blind:
        return "Blinded reading"
    commands = dict.fromkeys(run.found.command or "a run" for run in sources.runs)
    kinds = [*commands, *(["train"] if sources.trainings else [])]
    if sources.scores and not kinds:
        return "Scores"
    trained = map(kind_of, sources.trainings)
    models = dict.fromkeys([*(model_of(run.found) for run in sources.runs), *trained])
    named = [model for model in models if model]
    return f"{' and '.join(kinds)}{': ' if named else ''}{', '.join(named)}"


def _opened(path: Path, *, identifiable: bool) -> "tuple[Finished | Method | Scores, list[str]]":
    """A run, a training or scores, and what its record lacks."""
    gaps: list[str] = []
    if is_run(path):
        found = Finished.read(path)
        return found, found.gaps
    if path.is_dir() and _trained.is_training(path):
        return _trained.training(path, "", gaps, identifiable=identifiable), gaps
    if path.suffix.lower() in _SCORES and path.is_file():
        from medclean.pipelines._score_file import Scores  # whose statistics are slow to load

        return Scores.read(path), gaps
    raise _unknown(path)


def _called(sources: "Sequence[Finished | Method | Scores]") -> list[str]:
    """Names that tell nobody: by model, numbered in their order where that is alike.

    Folders often are named after what was denoised, and that after a patient.
    """
    plain = [kind_of(source) for source in sources]
    often = Counter(plain)
    numbers = {name: count(1) for name in plain}
    return [name if often[name] == 1 else f"{name} {next(numbers[name])}" for name in plain]


def _of(name: str, gaps: Sequence[str], *, several: bool) -> Iterator[str]:
    yield from (f"{name}: {gap}" for gap in gaps) if several else gaps


def _whole(path: Path) -> Path:
    """The output folder, also where its run folder was named, or the journal in it."""
    whole = Path(path).absolute()
    if not path.exists():
        raise UsageError(f"{path} does not exist; expected the folder of a run, or scores")
    for folder in (whole, whole.parent):
        if folder.name == RUN_FOLDER and folder.is_dir():
            return folder.parent
    return path


def _unknown(path: Path) -> UsageError:
    return UsageError(
        f"{path} is no output of medclean; expected a folder with {RUN_FOLDER}/ in it (of denoise, "
        "add-noise, undersample or prepare), the folder of a training with its log.csv, or the "
        ".csv or .json of `medclean evaluate`"
    )
