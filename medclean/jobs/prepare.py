"""What ``medclean prepare`` is asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from medclean.jobs._patients import ForTest, ForValidation, PatientIn, check_shares
from medclean.jobs._series import (
    BURNED_IN,
    KEEP_DATES,
    NEEDS_KEY,
    AllowingMissing,
    Excluded,
    Included,
    Limited,
    Overwriting,
    Reporting,
    Selected,
    StatedModality,
)
from medclean.jobs._setting import Setting, at_least

LEAST_FOLDS = 3


@dataclass(frozen=True)
class PrepareJob:
    """Make a data set to train on out of an archive of DICOM or NIfTI files."""

    archive: Annotated[
        Path,
        Setting("A DICOM tree or a folder of NIfTI files.", argument=True, metavar="ARCHIVE"),
    ]
    out: Annotated[
        Path,
        Setting("Folder of the data set; what is new is added to it.", flags=("--out", "-o")),
    ]
    modality: StatedModality = None
    patient: PatientIn = None
    key: Annotated[
        Path | None,
        Setting(
            "File with the secret that names of patients are made with; the data set's own, in "
            "medclean-run/, if not given.",
            metavar="FILE",
        ),
    ] = None
    deidentify: Annotated[
        Path | None,
        Setting(
            "Write the DICOM images there too, without what could identify a patient; needs --key. "
            "The pixels are not looked at.",
            metavar="DIR",
        ),
    ] = None
    keep_dates: Annotated[bool, Setting(KEEP_DATES)] = False
    allow_burned_in: Annotated[bool, Setting(BURNED_IN)] = False
    converter: Annotated[
        Literal["dcm2niix", "medclean"],
        Setting("What converts DICOM; what dcm2niix refuses is read by medclean.", "result"),
    ] = "dcm2niix"
    bias: Annotated[
        Literal["n4", "none"],
        Setting("Bias field correction of MR; the field is kept beside the image.", "result"),
    ] = "n4"
    window: Annotated[
        Literal["full", "brain", "lung", "bone", "soft", "liver"],
        Setting("HU of CT that training tells apart; full is -1000 to 3000.", "result"),
    ] = "full"
    suv: Annotated[
        bool,
        Setting("PET as standardised uptake values by body weight, in place of Bq/ml.", "result"),
    ] = False
    resample: Annotated[
        float | None,
        Setting("Spacing of the pixels in plane, in mm; the scanner's if not given.", "result"),
    ] = None
    isotropic: Annotated[
        float | None,
        Setting("Side of cubic voxels, in mm, by B-splines.", "result"),
    ] = None
    crop: Annotated[
        int | None,
        Setting("Rows and columns of a window about the body, such as 256.", "result"),
    ] = None
    force: Annotated[
        bool, Setting("Let --isotropic make slices more than 1.5 times as dense.", "result")
    ] = False
    validation: ForValidation = 0.15
    test: ForTest = 0.15
    folds: Annotated[
        int | None, Setting("Deal the patients into so many folds, too.", "result")
    ] = None
    unpaired: Annotated[
        bool,
        Setting("Deal those that are learnt from into a clean and a noisy pool.", "result"),
    ] = False
    pair_by: Annotated[
        str | None,
        Setting(
            "Pair noisy and clean series of a study: description and folder look for words such "
            "as 'low dose' there; an expression, as of --select, holds for the noisy ones.",
            "result",
            metavar="description|folder|EXPRESSION",
        ),
    ] = None
    allow_missing: AllowingMissing = False
    include: Included = ()
    select: Selected = ()
    exclude: Excluded = ()
    workers: Annotated[
        int | None, Setting("Processes that convert, a processor each; chosen if not given.")
    ] = None
    limits: Limited = None
    overwrite: Overwriting = False
    report: Reporting = True

    def __post_init__(self) -> None:
        if self.deidentify and not self.key:
            raise ValueError(NEEDS_KEY)
        if not self.deidentify and (self.keep_dates or self.allow_burned_in):
            raise ValueError("keep-dates and allow-burned-in say something of --deidentify")
        for name in ("resample", "isotropic"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} is {value:g}, expected mm above 0")
        if self.resample and self.isotropic:
            raise ValueError("resample and isotropic both state a spacing; expected one of them")
        at_least(self, crop=16, folds=LEAST_FOLDS, workers=1)
        check_shares(self.validation, self.test)
