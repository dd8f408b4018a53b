"""What ``medclean report`` is asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from medclean.jobs._series import Limited
from medclean.jobs._setting import Setting, at_least

Format = Literal["html", "csv", "json", "md"]


@dataclass(frozen=True)
class ReportJob:
    """Make a page that people read of what runs did, or of scores."""

    sources: Annotated[
        tuple[Path, ...],
        Setting(
            "What to tell of: the output folder of a run, of a training, or the .csv or .json of "
            "`medclean evaluate`.",
            argument=True,
            metavar="RUN_OR_SCORES...",
        ),
    ]
    out: Annotated[
        Path | None,
        Setting(
            "Where the page goes; report.html in the current folder, or what --format says, if "
            "not given.",
            flags=("--out", "-o"),
            metavar="FILE",
        ),
    ] = None
    format: Annotated[Format, Setting("A page, or its tables as CSV, JSON or Markdown.")] = "html"
    study: Annotated[
        tuple[Path, ...],
        Setting(
            "Folder that a run read from, for the images before; found by itself where it lies "
            "beside the output as STUDY beside STUDY-NAME. Repeatable.",
            metavar="DIR",
        ),
    ] = ()
    reference: Annotated[
        Path | None,
        Setting(
            "The truth, at the same relative paths as the study: adds error maps.", metavar="DIR"
        ),
    ] = None
    max_mb: Annotated[
        float, Setting("Size that the page may have; images become fewer or coarser for it.")
    ] = 15.0
    blind: Annotated[
        bool,
        Setting(
            "Call methods A, B, C in an order that is drawn, for reading without knowing; which "
            "is which goes into OUT-key.json."
        ),
    ] = False
    seed: Annotated[
        int | None, Setting("Seed of that order; drawn, and told in the key, if not given.")
    ] = None
    identifiable: Annotated[
        bool, Setting("Show paths, folders and descriptions of series: for use in the house only.")
    ] = False
    key: Annotated[
        Path | None,
        Setting(
            "Key of the names that series get; that of the first run if not given, and numbers "
            "without any.",
            metavar="FILE",
        ),
    ] = None
    workers: Annotated[
        int | None, Setting("Processes that read images, a processor each; all if not given.")
    ] = None
    limits: Limited = None

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("no RUN_OR_SCORES is given; expected the folder of a run, or scores")
        if not self.max_mb >= 1:
            raise ValueError(f"max-mb is {self.max_mb:g}, expected at least 1")
        if self.blind and self.identifiable:
            raise ValueError("--blind hides what --identifiable shows; leave one away")
        if self.seed is not None and (not self.blind or self.seed < 0):
            raise ValueError("--seed is that of --blind, a whole number from 0")
        at_least(self, workers=1)

    @property
    def page(self) -> Path:
        """The file to write."""
        return self.out or Path(f"report.{self.format}")
