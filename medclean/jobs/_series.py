"""What every command is asked that makes derived series."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from medclean.jobs._setting import Setting, at_least

Include = Literal["localizer", "phase", "map", "secondary", "other", "own", "all"]
Modality = Literal["MR", "CT", "PT"]
Scale = Literal["robust", "max"]
Syntax = Literal["keep", "explicit", "rle", "jpeg2000", "jpegls"]

# What several commands ask in the same words
StatedModality: TypeAlias = Annotated[
    Modality | None, Setting("Modality of NIfTI files that do not state it.", "result")
]
Included: TypeAlias = Annotated[
    tuple[Include, ...],
    Setting("Take these kinds of image too (comma-separated).", metavar="KIND,..."),
]
Selected: TypeAlias = Annotated[
    tuple[str, ...],
    Setting(
        "Take only files such as 'Modality=MR,SeriesDescription~T2': comma is and, ~ a regular "
        "expression; repeated, any of them.",
        metavar="EXPRESSION",
    ),
]
Excluded: TypeAlias = Annotated[
    tuple[str, ...],
    Setting("Leave out files that an expression holds for.", metavar="EXPRESSION"),
]
Limited: TypeAlias = Annotated[
    str | None,
    Setting(
        "What a file may ask of this machine before it fails, as in pixels=12GiB,seconds=600; "
        "see LIMITS in medclean-conformance(7).",
        metavar="LIMIT=VALUE,...",
    ),
]
Overwriting: TypeAlias = Annotated[
    bool, Setting("Redo what medclean wrote in the output folder before.")
]

Reporting: TypeAlias = Annotated[
    bool, Setting("Write report.html beside the record of the run: a page with what was done.")
]

AllowingMissing: TypeAlias = Annotated[
    bool,
    Setting(
        "Take stacks of which slices are missing, in parts, and slices at uneven distances, as "
        "even ones.",
        "form",
    ),
]

KEEP_DATES = "Keep dates with --deidentify; without it they move."
BURNED_IN = "Take images with --deidentify that may show identifying text."
NEEDS_KEY = (
    "deidentify needs --key FILE: a secret that stays with you; make one with: openssl rand -hex 32"
)


@dataclass(frozen=True, kw_only=True)
class SeriesJob:
    """Where series come from, which of them, and how what is made of them is written."""

    studies: Annotated[
        tuple[Path, ...],
        Setting(
            "A DICOM tree, a DICOM file, a NIfTI file or a folder of NIfTI files.",
            argument=True,
            optional=True,
            metavar="STUDY...",
        ),
    ] = field(kw_only=False)
    out: Annotated[
        Path | None,
        Setting(
            "Folder for the derived series; the sibling folder STUDY-NAME if not given.",
            flags=("--out", "-o"),
        ),
    ] = None
    seed: Annotated[int, Setting("Seed of all that is drawn at random.", "result")] = 0
    modality: StatedModality = None
    stamp: Annotated[
        bool, Setting("Write the time of processing into the derived instances.", "result")
    ] = False
    syntax: Annotated[
        Syntax, Setting("Transfer syntax of the derived instances; keep is the source's.", "form")
    ] = "keep"
    allow_gaps: Annotated[
        bool,
        Setting("Write a series without the instances that failed, marked INCOMPLETE.", "form"),
    ] = False
    copy_others: Annotated[
        bool, Setting("Copy what is skipped to the output too, all but a DICOMDIR.", "form")
    ] = False
    deidentify: Annotated[
        bool,
        Setting(
            "Remove or replace what could identify a patient, in images, names and record; DICOM "
            "only, needs --key and --out. The pixels are not looked at.",
            "form",
        ),
    ] = False
    keep_dates: Annotated[bool, Setting(KEEP_DATES, "form")] = False
    allow_burned_in: Annotated[bool, Setting(BURNED_IN, "form")] = False
    key: Annotated[
        Path | None,
        Setting(
            "Key of the names that stand for series and patients, outside of the output folder.",
            metavar="FILE",
        ),
    ] = None
    from_file: Annotated[
        Path | None,
        Setting("Take more studies from a list, a path a line; - is stdin.", metavar="LIST"),
    ] = None
    select: Selected = ()
    exclude: Excluded = ()
    include: Included = ()
    workers: Annotated[
        int | None, Setting("Processes that read and write, a processor each; chosen if not given.")
    ] = None
    limits: Limited = None
    shard: Annotated[
        str, Setting("Do the I-th of N parts; auto asks the SLURM array.", metavar="I/N|auto|off")
    ] = "off"
    fail_fast: Annotated[bool, Setting("Stop at the first series that fails.")] = False
    overwrite: Overwriting = False
    dry_run: Annotated[
        bool, Setting("Say what would be done and what it would take; write nothing.")
    ] = False
    report: Reporting = True

    def __post_init__(self) -> None:
        if not (self.studies or self.from_file):
            raise ValueError("no STUDY is given; expected a folder or a file, or --from-file LIST")
        self._check_hiding()
        at_least(self, workers=1, seed=0)

    def _check_hiding(self) -> None:
        """See that nothing goes along that would tell whose images they are."""
        if not self.deidentify:
            for name in ("keep_dates", "allow_burned_in"):
                if getattr(self, name):
                    raise ValueError(f"{name.replace('_', '-')} says something of --deidentify")
        elif not self.key:
            raise ValueError(NEEDS_KEY)
        elif self.copy_others:
            raise ValueError("copy-others copies files as they are, and deidentify lets none pass")
        elif not self.out:
            raise ValueError("deidentify needs --out: else it would be named after the study")
