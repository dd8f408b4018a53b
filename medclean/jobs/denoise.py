"""What ``medclean denoise`` is asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from medclean.jobs._setting import Setting

Include = Literal["localizer", "phase", "map", "secondary", "other", "own", "all"]
Modality = Literal["MR", "CT", "PT"]
Precision = Literal["auto", "float32", "bf16"]
Syntax = Literal["keep", "explicit", "rle", "jpeg2000", "jpegls"]


@dataclass(frozen=True)
class DenoiseJob:
    """Denoise the image series of DICOM trees or NIfTI files into a folder of their own."""

    studies: Annotated[
        tuple[Path, ...],
        Setting(
            "A DICOM tree, a DICOM file, a NIfTI file or a folder of NIfTI files.",
            argument=True,
            optional=True,
            metavar="STUDY...",
        ),
    ]
    model: Annotated[
        str,
        Setting(
            "A name of `medclean models`, with options as in 'nlm:sigma=0.05'; a .safetensors "
            "checkpoint; or the folder of a training run.",
            "result",
            metavar="SPEC",
        ),
    ]
    out: Annotated[
        Path | None,
        Setting(
            "Folder for the derived series; the sibling folder STUDY-NAME if not given.",
            flags=("--out", "-o"),
        ),
    ] = None
    strength: Annotated[
        float,
        Setting("Share of the noise to remove: 1 is the model's result, 0 the input.", "result"),
    ] = 1.0
    ensemble: Annotated[
        bool,
        Setting(
            "Denoise each slice in its eight flips and rotations, and average: takes eight times "
            "as long.",
            "result",
        ),
    ] = False
    scale: Annotated[
        Literal["robust", "max"],
        Setting(
            "What 1 means to a network: a robust maximum of the series, or its maximum.", "result"
        ),
    ] = "robust"
    precision: Annotated[
        Precision,
        Setting(
            "Arithmetic of a network; auto is bf16 where the card shows that it is safe.", "result"
        ),
    ] = "auto"
    seed: Annotated[int, Setting("Seed of models that draw while they denoise.", "result")] = 0
    modality: Annotated[
        Modality | None, Setting("Modality of NIfTI files that do not state it.", "result")
    ] = None
    stamp: Annotated[
        bool, Setting("Write the time of processing into the derived instances.", "result")
    ] = False
    syntax: Annotated[
        Syntax, Setting("Transfer syntax of the derived instances; keep is the source's.", "form")
    ] = "keep"
    residual: Annotated[
        bool,
        Setting(
            "Write what was removed, too, as series of their own in OUT/residual; a result and its "
            "residual add up to the source.",
            "form",
        ),
    ] = False
    allow_gaps: Annotated[
        bool,
        Setting("Write a series without the instances that failed, marked INCOMPLETE.", "form"),
    ] = False
    copy_others: Annotated[
        bool,
        Setting("Copy what is not denoised to the output too, all but a DICOMDIR.", "form"),
    ] = False
    from_file: Annotated[
        Path | None,
        Setting("Take more studies from a list, a path a line; - is stdin.", metavar="LIST"),
    ] = None
    select: Annotated[
        tuple[str, ...],
        Setting(
            "Denoise only files such as 'Modality=MR,SeriesDescription~T2': comma is and, ~ a "
            "regular expression; repeated, any of them.",
            metavar="EXPRESSION",
        ),
    ] = ()
    exclude: Annotated[
        tuple[str, ...],
        Setting("Leave out files that an expression holds for.", metavar="EXPRESSION"),
    ] = ()
    fail_on: Annotated[
        str | None,
        Setting(
            "Write no series whose safety figures cross a limit, as in bias=5HU,bias=2%,edges=0.9: "
            "edges fall below theirs, bias, structure, noise and spot rise above.",
            "form",
            metavar="FIGURE=LIMIT,...",
        ),
    ] = None
    keep_failed: Annotated[
        bool, Setting("Write the series that cross a limit of --fail-on too.", "form")
    ] = False
    include: Annotated[
        tuple[Include, ...],
        Setting("Denoise these kinds of image too (comma-separated).", metavar="KIND,..."),
    ] = ()
    force: Annotated[
        bool, Setting("Use a network on a modality or kind of image that its card does not name.")
    ] = False
    device: Annotated[str, Setting("auto, cpu, cuda, cuda:N or mps.", metavar="DEVICE")] = "auto"
    batch: Annotated[int | None, Setting("Slices computed together; chosen if not given.")] = None
    tile: Annotated[
        int | None, Setting("Width of the tiles that a slice is cut into; whole if not given.")
    ] = None
    workers: Annotated[
        int | None, Setting("Processes that read and write, a processor each; chosen if not given.")
    ] = None
    limits: Annotated[
        str | None,
        Setting(
            "What a file may ask of this machine before it fails, as in pixels=12GiB,seconds=600; "
            "see LIMITS in medclean-conformance(7).",
            metavar="LIMIT=VALUE,...",
        ),
    ] = None
    shard: Annotated[
        str, Setting("Do the I-th of N parts; auto asks the SLURM array.", metavar="I/N|auto|off")
    ] = "off"
    fail_fast: Annotated[bool, Setting("Stop at the first series that fails.")] = False
    dry_run: Annotated[
        bool, Setting("Say what would be done and what it would take; write nothing.")
    ] = False
    overwrite: Annotated[bool, Setting("Redo what medclean wrote in the output folder before.")] = (
        False
    )

    def __post_init__(self) -> None:
        if not (self.studies or self.from_file):
            raise ValueError("no STUDY is given; expected a folder or a file, or --from-file LIST")
        if self.keep_failed and not self.fail_on:
            raise ValueError("keep-failed needs --fail-on, which says what has failed")
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength is {self.strength:g}, expected 0 to 1")
        for name, least in (("batch", 1), ("tile", 32), ("workers", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} is {value}, expected at least {least}")
