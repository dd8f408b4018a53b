"""What ``medclean train`` is asked."""

from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Annotated, Literal

from medclean.jobs._patients import ForTest, ForValidation, PatientIn, check_shares
from medclean.jobs._setting import Setting, at_least

STEPS = 10_000
"""Length of a run where nobody says."""

NOISE = ("gaussian:sigma=0..0.3|rician:sigma=0..0.3",)
"""What is added where nobody says what makes images noisy."""


@dataclass(frozen=True)
class TrainJob:
    """Train a network on clean images that are made noisy on the fly, or on recorded pairs."""

    dataset: Annotated[
        Path,
        Setting(
            "Folder that `prepare` made, or one of NIfTI files or DICOM series.",
            argument=True,
            metavar="DATASET",
        ),
    ]
    model: Annotated[
        str,
        Setting(
            "Architecture, with options as in 'dgan:width=24,groups=2'; --preset and --config may "
            "name it, too.",
            "result",
            metavar="SPEC",
        ),
    ]
    out: Annotated[
        Path, Setting("Folder of the run: checkpoints, curves, state.", flags=("--out", "-o"))
    ]
    noise: Annotated[
        tuple[str, ...],
        Setting(
            "Noise that is added, in order where there are several; a range draws its level, 'A|B' "
            f"one of several for each sample. {NOISE[0]} if neither --mask nor --pairs is given.",
            "result",
            metavar="SPEC",
            instead=("pairs",),
        ),
    ] = ()
    mask: Annotated[
        str | None,
        Setting(
            "Sample the k-space of whole slices in part, as in 'gaussian-1d:ratio=0.3|radial', and "
            "learn to undo that; after --noise, where that is given, too.",
            "result",
            metavar="SPEC",
            instead=("pairs",),
        ),
    ] = None
    pairs: Annotated[
        bool,
        Setting(
            "Learn from the noisy and clean images that `prepare --pair-by` has paired, as they "
            "are.",
            "result",
            instead=("noise", "mask"),
        ),
    ] = False
    realisations: Annotated[
        int,
        Setting(
            "Draws that are kept of each series, of noise that is too slow to be drawn for each "
            "patch.",
            "result",
        ),
    ] = 4
    augment: Annotated[
        Literal["all", "flips", "none"],
        Setting(
            "How patches are varied: all is flips, turns, stretching, bending, brightness, "
            "contrast and gamma.",
            "result",
        ),
    ] = "all"
    modality: Annotated[
        Literal["MR", "CT", "PT"] | None,
        Setting(
            "Modality of NIfTI files that do not state it, or which to take of a prepared data set "
            "of several.",
            "result",
        ),
    ] = None
    patient: PatientIn = None
    validation: ForValidation = 0.15
    test: ForTest = 0.15
    fold: Annotated[
        int | None,
        Setting(
            "Fold of a prepared data set that is held out to the end; the next chooses the best "
            "weights.",
            "result",
        ),
    ] = None
    steps: Annotated[
        int | None,
        Setting(
            f"Length of the run in training steps; {STEPS} if nothing is said.",
            "result",
            instead=("epochs",),
        ),
    ] = None
    epochs: Annotated[
        float | None,
        Setting(
            "Length of the run in passes over the slices, in place of --steps.",
            "result",
            instead=("steps",),
        ),
    ] = None
    batch: Annotated[
        tuple[int, ...],
        Setting("Patches a batch; several: one for each part of the run.", "result", metavar="N"),
    ] = (8,)
    patch: Annotated[
        tuple[int, ...],
        Setting(
            "Width of a patch in pixels, 0 for whole slices, of which those of a batch have one "
            "shape; several, such as 64,128,0, divide the run into parts.",
            "result",
            metavar="N",
        ),
    ] = (128,)
    accumulate: Annotated[
        int, Setting("Batches whose mean gradient makes one update.", "result")
    ] = 1
    lr: Annotated[float, Setting("Learning rate at its highest.", "result")] = 2e-4
    schedule: Annotated[
        str,
        Setting(
            "How the learning rate moves, as in 'step:at=[0.5,0.8]'.", "result", metavar="SPEC"
        ),
    ] = "cosine"
    warmup: Annotated[
        float, Setting("Share of the run in which the learning rate rises from 0.", "result")
    ] = 0.02
    clip: Annotated[float | None, Setting("Largest norm of a player's gradient.", "result")] = None
    ema: Annotated[float, Setting("Decay of the average of the weights.", "result")] = 0.999
    precision: Annotated[
        Literal["auto", "float32", "bf16", "fp16"],
        Setting(
            "Arithmetic of the networks; auto is bf16 where the device multiplies it.", "result"
        ),
    ] = "auto"
    seed: Annotated[int, Setting("Seed of weights, noise and patches.", "result")] = 0
    seeds: Annotated[
        int,
        Setting(
            "Train so many times, with seeds from --seed on, each in OUT/seed-N; ends with means "
            "and standard deviations.",
            "result",
        ),
    ] = 1
    split_seed: Annotated[
        int, Setting("Key that deals out the patients of a folder that does not.", "result")
    ] = 0
    every: Annotated[int, Setting("Steps between validations and checkpoints.", "form")] = 500
    patience: Annotated[
        int | None,
        Setting("End the run after so many validations without a better one.", "result"),
    ] = None
    device: Annotated[str, Setting("auto, cpu, cuda, cuda:N or mps.", metavar="DEVICE")] = "auto"
    workers: Annotated[int | None, Setting("Processes that cut patches; chosen if not given.")] = (
        None
    )
    limits: Annotated[
        str | None,
        Setting(
            "What an image may ask of this machine before it is left out, as in pixels=12GiB; see "
            "LIMITS in medclean-conformance(7).",
            metavar="LIMIT=VALUE,...",
        ),
    ] = None
    tf32: Annotated[
        bool, Setting("Let a GPU round the factors of float32 products to TF32.", "result")
    ] = False
    compile: Annotated[
        bool, Setting("Compile the networks first, which needs a C++ compiler.", "form")
    ] = False
    recompute: Annotated[
        bool,
        Setting("Compute activations twice instead of keeping them: a third slower, much smaller."),
    ] = False
    resume: Annotated[bool, Setting("Go on with the run in the output folder.")] = False
    init: Annotated[
        str | None,
        Setting("Start from the weights of a checkpoint.", "result", metavar="CHECKPOINT"),
    ] = None

    report: Annotated[
        bool, Setting("Write report.html into the output folder: a page with the curves.")
    ] = True

    def __post_init__(self) -> None:
        at_least(self, seed=0, workers=0, steps=1, batch=1, accumulate=1, every=1, patience=1)
        at_least(self, seeds=1, realisations=1)
        if min(self.patch) < 0:
            raise ValueError(f"patch is {min(self.patch)}, expected at least 1, or 0 for slices")
        if len(self.batch) not in (1, len(self.patch)):
            shapes = f"{len(self.patch)} sizes of patch and {len(self.batch)} of batch"
            raise ValueError(f"{shapes}: expected one batch size, or one for each size of patch")
        if self.steps is not None and self.epochs is not None:
            raise ValueError("steps and epochs both state how long to train; expected one of them")
        for name in ("warmup", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name):g}, expected 0 to below 1")
        for name in ("lr", "clip", "epochs"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value:g}, expected above 0")
        if self.pairs and (self.noise or self.mask is not None):
            raise ValueError("pairs are noisy as they are; expected no noise and no mask with them")
        if not (self.noise or self.pairs or self.mask is not None):
            object.__setattr__(self, "noise", NOISE)  # so that job.toml says what was done
        check_shares(self.validation, self.test)

    @property
    def batches(self) -> tuple[int, ...]:
        """Patches a batch in each part of the run, of which there are as many as sizes of patch."""
        return self.batch * (len(self.patch) // len(self.batch))

    def length(self, slices: int) -> int:
        """Steps of a run over so many slices."""
        if self.epochs is None:
            return self.steps or STEPS
        mean = sum(self.batch) / len(self.batch) * self.accumulate
        return max(1, ceil(self.epochs * slices / mean))

    @property
    def each(self) -> dict[int, "TrainJob"]:
        """The runs that this is, by seed: one for each folder."""
        if self.seeds == 1:
            return {self.seed: self}
        return {
            seed: replace(self, seed=seed, seeds=1, out=self.out / f"seed-{seed}")
            for seed in range(self.seed, self.seed + self.seeds)
        }
