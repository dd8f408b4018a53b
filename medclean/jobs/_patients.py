"""What commands ask in the same words that give patients to training, validation and test."""

from typing import Annotated, TypeAlias

from medclean.jobs._setting import Setting

PatientIn: TypeAlias = Annotated[
    str | None,
    Setting(
        "Regular expression whose first group finds the patient in a NIfTI file's path.",
        "result",
        metavar="REGEX",
    ),
]
ForValidation: TypeAlias = Annotated[
    float,
    Setting("Share of the patients that is held out to choose the best weights.", "result"),
]
ForTest: TypeAlias = Annotated[
    float, Setting("Share of the patients that only the final figures see.", "result")
]


def check_shares(validation: float, test: float) -> None:
    """See that some patients are left to learn from.

    Raises:
        ValueError: None are, or a share is negative.
    """
    if min(validation, test) < 0 or validation + test >= 1:
        shares = f"{validation:g} and {test:g}"
        raise ValueError(f"validation and test are {shares}, expected to leave some to train")
