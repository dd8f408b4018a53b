"""What ``medclean evaluate`` is asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from medclean.jobs._series import Limited, StatedModality
from medclean.jobs._setting import Setting, at_least

Paper = Literal["000", "001", "002", "003", "004"]
Match = Literal["auto", "sources", "uids", "name", "geometry"]

_IMAGES = "a DICOM tree, a DICOM file, a NIfTI file or a folder of NIfTI files"


@dataclass(frozen=True)
class EvaluateJob:
    """Compare results with the images that they should be, and with each other."""

    reference: Annotated[
        Path,
        Setting(f"The truth: {_IMAGES}.", "result", argument=True, metavar="REFERENCE"),
    ]
    results: Annotated[
        tuple[Path, ...],
        Setting("What to compare with it, each likewise.", argument=True, metavar="RESULT..."),
    ]
    noisy: Annotated[
        Path | None,
        Setting("What the results were made from: compared too, and tells what they removed."),
    ] = None
    out: Annotated[
        Path | None,
        Setting(
            "CSV file for the values, a row each; everything goes into the .json beside it.",
            flags=("--out", "-o"),
            metavar="SCORES.csv",
        ),
    ] = None
    metrics: Annotated[
        str | None,
        Setting(
            "Figures to tell, as in psnr,ssim; all that fit the images if not given.",
            metavar="NAME,...",
        ),
    ] = None
    mask: Annotated[
        Path | None,
        Setting(
            "Regions of interest on the grid of the reference, NIfTI or a DICOM segmentation: 0 is "
            "outside, each other whole number or segment a region of its own, up to 32."
        ),
    ] = None
    window: Annotated[
        tuple[str, ...],
        Setting(
            "Score images cut to a range of values too, with its width as the peak; repeatable.",
            metavar="LOW..HIGH",
        ),
    ] = ()
    labels: Annotated[
        bool,
        Setting(
            "Compare segmentations, not images: of DICOM, or whole numbers, of which 0 is none."
        ),
    ] = False
    data_range: Annotated[
        float | None,
        Setting(
            "What 1 means to PSNR and SSIM, in the unit of the images; the scale of each reference "
            "series if not given, 4000 HU for CT."
        ),
    ] = None
    paper: Annotated[
        Paper | None, Setting("Score as a paper does: peak, cut, range of SSIM, averages.")
    ] = None
    fail_under: Annotated[
        str | None,
        Setting(
            "End with 7 if a result's mean over patients is worse than a limit, as in "
            "psnr=30,rmse=20.",
            metavar="METRIC=LIMIT,...",
        ),
    ] = None
    maps: Annotated[
        Path | None,
        Setting("Folder for error maps and noise power spectra, a PNG a case.", metavar="DIR"),
    ] = None
    match: Annotated[
        Match,
        Setting("How results find their reference; auto takes the first of these that does."),
    ] = "auto"
    modality: StatedModality = None
    patient: Annotated[
        str | None,
        Setting(
            "Regular expression whose first group is the patient, in the path of a NIfTI file; "
            "sub-* of BIDS if not given.",
            metavar="REGEX",
        ),
    ] = None
    key: Annotated[
        Path | None,
        Setting(
            "Key of the names that cases and patients get; that of the first result's run if not "
            "given, and numbers without any.",
            metavar="FILE",
        ),
    ] = None
    seed: Annotated[int, Setting("Seed of the bootstrap.")] = 0
    workers: Annotated[
        int | None, Setting("Processes that measure, a processor each; all if not given.")
    ] = None
    limits: Limited = None

    def __post_init__(self) -> None:
        if not self.results:
            raise ValueError("no RESULT is given; expected a folder or a file to compare")
        if self.data_range is not None and not self.data_range > 0:
            raise ValueError(f"data range is {self.data_range:g}, expected more than 0")
        if self.data_range is not None and self.paper:
            raise ValueError(f"--paper {self.paper} has a data range of its own; leave one away")
        if self.labels and (self.paper or self.data_range or self.window or self.mask or self.maps):
            raise ValueError(
                "--labels compares segmentations, which have no range, window, mask or map; leave "
                "those away"
            )
        if self.out is not None and self.out.suffix.lower() != ".csv":
            raise ValueError(f"--out is {self.out}, expected a name that ends in .csv")
        at_least(self, seed=0, workers=1)
