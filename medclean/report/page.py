"""What a page says, before anybody draws it: frozen, typed, without anything that identifies."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

Verdict = Literal["green", "amber", "red", ""]
Status = Literal["done", "skipped", "failed", "pending"]

NOTICE = (
    "Research software: not a medical device, not intended for clinical usage. Originals are "
    "kept; a denoised series is additional and never replaces its source."
)


class Fact(NamedTuple):
    """A line of a table of facts."""

    name: str
    value: str


class Graph(NamedTuple):
    """A drawing.

    Attributes:
        title: What it shows.
        svg: Markup made by ``report.svg``, which escapes all text.
        says: How to read it.
    """

    title: str
    svg: str
    says: str = ""


class Light(NamedTuple):
    """A safety figure with its verdict, which is told by colour, shape and word.

    Attributes:
        figure: Its name.
        value: With its unit.
        number: Itself; None where it could not be measured.
        verdict: What the table of limits says.
        says: A sentence.
        where: The slice to look at first; ``""`` where there is none.
        slice: Its place among those of the page, from 1; None where it is not among them.
    """

    figure: str
    value: str
    number: float | None
    verdict: Verdict
    says: str
    where: str = ""
    slice: int | None = None


class Slice(NamedTuple):
    """Pictures of one slice, as data URIs; ``""`` where there is none.

    Attributes:
        place: In its stack, from 1.
        before: What it was.
        after: What each result has made of it; so are the others.
        removed: Before - after.
        error: After - reference.
        note: Why it is worth a look.
    """

    place: int
    before: str
    after: tuple[str, ...]
    removed: tuple[str, ...]
    error: tuple[str, ...] = ()
    note: str = ""

    @property
    def begin(self) -> int:
        """Index of the first result that is there."""
        return next((place for place, picture in enumerate(self.after) if picture), 0)


class View(NamedTuple):
    """Slices of a series along one direction.

    Attributes:
        name: ``"slices"``, ``"coronal"``, ``"sagittal"`` or ``"over MR"``.
        wide: Width of a picture in mm.
        high: Its height in mm.
        of: How many slices there are, of which some are shown.
        slices: Those.
        first: Index of the one to begin with.
        says: What is to be known of it.
    """

    name: str
    wide: float
    high: float
    of: int
    slices: tuple[Slice, ...]
    first: int = 0
    says: str = ""

    @property
    def bar(self) -> tuple[int, float]:
        """A length in mm that fits a third of the picture, and its share of the width."""
        length = next((mm for mm in (100, 50, 20, 10, 5, 2, 1) if mm < self.wide / 3), 1)
        return length, length / self.wide


@dataclass(frozen=True)
class Result:
    """What one method has made of a series.

    Attributes:
        method: Its name on the page.
        status: What became of it.
        reason: Why it was skipped or failed.
        verdict: The worst of its lights; ``""`` where there are none.
        lights: Its safety figures.
        notes: What else the record says.
    """

    method: str
    status: Status
    reason: str = ""
    verdict: Verdict = ""
    lights: tuple[Light, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pictures:
    """The images of a series, and all that was drawn from them.

    Attributes:
        views: Slices, and reformats of a volume.
        window: The grey scale of before and after, in words.
        limit: That of what was removed.
        shown: How many of how many slices, in which size and quality.
        zoom: Centre of the detail, as shares of width and height.
        graphs: Line profile, histogram, spectrum.
        gaps: What could not be shown, and why.
    """

    views: tuple[View, ...] = ()
    window: str = ""
    limit: str = ""
    error: str = ""
    shown: str = ""
    zoom: tuple[float, float] = (0.5, 0.5)
    graphs: tuple[Graph, ...] = ()
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A series, with what each method has made of it.

    Attributes:
        name: Keyed hash, or a number.
        modality: ``"CT"`` and its like.
        slices: Files of the source.
        results: One a method.
        pictures: None where the page has no room for them.
        about: Relative path and description, only where they may be told.
    """

    name: str
    modality: str
    slices: int
    results: tuple[Result, ...]
    pictures: Pictures | None = None
    about: str = ""

    @property
    def anchor(self) -> str:
        """Its place on the page."""
        return f"series-{self.name}"


@dataclass(frozen=True)
class Method:
    """A run: what was asked, with what, and what became of it.

    Attributes:
        name: On the page.
        title: Its command.
        line: The tally, in words.
        facts: By heading: settings, versions, hashes.
        graphs: Such as curves of a training.
        series: Whether it has made derived series.
    """

    name: str
    title: str
    line: str
    facts: dict[str, tuple[Fact, ...]]
    graphs: tuple[Graph, ...] = ()
    series: bool = True


@dataclass(frozen=True)
class Table:
    """Cells of text under columns; the first one names the row."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    says: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """Graphs and tables that belong together, as those of one metric."""

    title: str
    graphs: tuple[Graph, ...] = ()
    tables: tuple[Table, ...] = ()
    says: str = ""


@dataclass(frozen=True)
class Page:
    """All of it.

    Attributes:
        title: What it is about.
        made: When, for people.
        methods: The runs.
        cases: Series, outliers first.
        sections: Graphs over all series; scores.
        left_out: Why inputs were not used, and how many for each reason.
        gaps: What the page lacks, and why.
        says: Lines about the page itself: size, time.
        blind: Methods bear letters.
        reading: Tells readings apart whose methods bear the same letters.
    """

    title: str
    made: str
    version: str
    methods: tuple[Method, ...] = ()
    cases: tuple[Case, ...] = ()
    sections: tuple[Section, ...] = ()
    left_out: tuple[tuple[str, int], ...] = ()
    gaps: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    blind: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    reading: str = ""

    @cached_property
    def figures(self) -> tuple[str, ...]:
        """Names of all safety figures that some series has, in the order of the first."""
        lights = (light for result in self.results for light in result.lights)
        return tuple(dict.fromkeys(light.figure for light in lights))

    @property
    def results(self) -> Iterable[Result]:
        """Of all series."""
        return (result for case in self.cases for result in case.results)
