"""What ``medclean denoise`` is asked."""

from dataclasses import dataclass
from typing import Annotated, Literal

from medclean.jobs._series import Scale, SeriesJob
from medclean.jobs._setting import Setting, at_least

Precision = Literal["auto", "float32", "bf16"]
Native = Literal["auto", "off"]


@dataclass(frozen=True)
class DenoiseJob(SeriesJob):
    """Denoise the image series of DICOM trees or NIfTI files into a folder of their own."""

    model: Annotated[
        str,
        Setting(
            "A name of `medclean models`, with options as in 'nlm:sigma=0.05'; a .safetensors "
            "checkpoint; or the folder of a training run.",
            "result",
            metavar="SPEC",
        ),
    ]
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
        Scale,
        Setting(
            "What 1 means to a network: a robust maximum of the series, or its maximum.", "result"
        ),
    ] = "robust"
    native: Annotated[
        Native,
        Setting(
            "auto takes an MR series that was interpolated twofold at the samples that were "
            "measured, where a network learnt white noise; off takes every pixel as measured.",
            "result",
            before="off",
        ),
    ] = "auto"
    precision: Annotated[
        Precision,
        Setting(
            "Arithmetic of a network; auto is bf16 where the card shows that it is safe.", "result"
        ),
    ] = "auto"
    residual: Annotated[
        bool,
        Setting(
            "Write what was removed, too, as series of their own in OUT/residual; a result and its "
            "residual add up to the source.",
            "form",
        ),
    ] = False
    fail_on: Annotated[
        str | None,
        Setting(
            "Write no series whose safety figures cross a limit, as in bias=5HU,bias=2%,edges=0.9: "
            "edges fall below theirs, bias, structure, noise and spot rise above, in the whole "
            "series or in its worst frame.",
            "form",
            metavar="FIGURE=LIMIT,...",
        ),
    ] = None
    keep_failed: Annotated[
        bool, Setting("Write the series that cross a limit of --fail-on too.", "form")
    ] = False
    force: Annotated[
        bool, Setting("Use a network on a modality or kind of image that its card does not name.")
    ] = False
    device: Annotated[str, Setting("auto, cpu, cuda, cuda:N or mps.", metavar="DEVICE")] = "auto"
    batch: Annotated[int | None, Setting("Slices computed together; chosen if not given.")] = None
    tile: Annotated[
        int | None, Setting("Width of the tiles that a slice is cut into; whole if not given.")
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keep_failed and not self.fail_on:
            raise ValueError("keep-failed needs --fail-on, which says what has failed")
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength is {self.strength:g}, expected 0 to 1")
        at_least(self, batch=1, tile=32)
