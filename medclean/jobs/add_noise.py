"""What ``medclean add-noise`` is asked."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from medclean.jobs._series import Scale, SeriesJob
from medclean.jobs._setting import Setting


@dataclass(frozen=True, kw_only=True)
class AddNoiseJob(SeriesJob):
    """Add simulated noise to the image series of DICOM trees or NIfTI files."""

    out: Annotated[Path, Setting("Folder for the noisy series.", flags=("--out", "-o"))] = field()
    noise: Annotated[
        tuple[str, ...],
        Setting(
            "Noise to add, with options as in 'rician:sigma=0.05'; repeated, in this order.",
            "result",
            metavar="SPEC",
        ),
    ]
    scale: Annotated[
        Scale,
        Setting(
            "What a level of 1 means: a robust maximum of the series, or its maximum; 4000 HU in "
            "CT.",
            "result",
        ),
    ] = "robust"
    force: Annotated[
        bool, Setting("Add a noise also to images of a modality whose physics it is not.")
    ] = False
    device: Annotated[
        str,
        Setting(
            "Where noise that begins in a sinogram is computed: auto, cpu, cuda, cuda:N or mps.",
            metavar="DEVICE",
        ),
    ] = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.noise:
            raise ValueError("no noise is given; expected such as --noise rician:sigma=0.05")
