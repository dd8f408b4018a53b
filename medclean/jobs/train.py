"""What ``medclean train`` is asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from medclean.jobs._setting import Setting


@dataclass(frozen=True)
class TrainJob:
    """Train a network on clean images that noise is added to on the fly."""

    dataset: Annotated[
        Path,
        Setting("Folder of NIfTI files or DICOM series.", argument=True, metavar="DATASET"),
    ]
    model: Annotated[
        str,
        Setting(
            "Architecture, with options as in 'dgan:width=24,groups=2'.", "result", metavar="SPEC"
        ),
    ]
    out: Annotated[
        Path, Setting("Folder of the run: checkpoints, curves, state.", flags=("--out", "-o"))
    ]
    noise: Annotated[
        str,
        Setting(
            "Noise that is added; a range draws its level, 'A|B' one of several for each sample.",
            "result",
            metavar="SPEC",
        ),
    ] = "gaussian:sigma=0..0.3|rician:sigma=0..0.3"
    modality: Annotated[
        Literal["MR", "CT", "PT"] | None,
        Setting("Modality of NIfTI files that do not state it.", "result"),
    ] = None
    patient: Annotated[
        str | None,
        Setting(
            "Regular expression whose first group finds the patient in a NIfTI file's path.",
            "result",
            metavar="REGEX",
        ),
    ] = None
    validation: Annotated[
        float,
        Setting("Share of the patients that is held out to choose the best weights.", "result"),
    ] = 0.15
    test: Annotated[
        float, Setting("Share of the patients that only the final figures see.", "result")
    ] = 0.15
    steps: Annotated[int, Setting("Length of the run in training steps.", "result")] = 10_000
    batch: Annotated[int, Setting("Patches a step.", "result")] = 8
    patch: Annotated[int, Setting("Width of a patch in pixels.", "result")] = 128
    lr: Annotated[float, Setting("Learning rate at its highest.", "result")] = 2e-4
    warmup: Annotated[
        float, Setting("Share of the run in which the learning rate rises from 0.", "result")
    ] = 0.02
    clip: Annotated[float | None, Setting("Largest norm of a player's gradient.", "result")] = None
    ema: Annotated[float, Setting("Decay of the average of the weights.", "result")] = 0.999
    precision: Annotated[
        Literal["auto", "float32", "bf16"], Setting("Arithmetic of the networks.", "result")
    ] = "auto"
    seed: Annotated[int, Setting("Seed of weights, noise, patches and splits.", "result")] = 0
    every: Annotated[int, Setting("Steps between validations and checkpoints.", "form")] = 500
    device: Annotated[str, Setting("auto, cpu, cuda, cuda:N or mps.", metavar="DEVICE")] = "auto"
    workers: Annotated[int | None, Setting("Processes that cut patches; chosen if not given.")] = (
        None
    )
    resume: Annotated[bool, Setting("Go on with the run in the output folder.")] = False
    init: Annotated[
        str | None,
        Setting("Start from the weights of a checkpoint.", "result", metavar="CHECKPOINT"),
    ] = None

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "patch", "every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")
        for name in ("warmup", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name):g}, expected 0 to below 1")
        for name in ("lr", "clip"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value:g}, expected above 0")
        if min(self.validation, self.test) < 0 or self.validation + self.test >= 1:
            shares = f"{self.validation:g} and {self.test:g}"
            raise ValueError(f"validation and test are {shares}, expected to leave some to train")

    @property
    def shares(self) -> dict[str, float]:
        """Of the patients, by split."""
        train = 1 - self.validation - self.test
        return {"train": train, "validation": self.validation, "test": self.test}
