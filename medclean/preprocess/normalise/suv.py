"""Bq/ml as standardised uptake values by body weight (PET)."""

from dataclasses import dataclass, replace
from typing import Any

from medclean.errors import DataError
from medclean.volume import Given

UNIT = "g/ml"


@dataclass(frozen=True)
class Suv:
    """1 is what an even spread of the dose over the body would give."""

    def forward(self, images: Any, given: Given) -> tuple[Any, Given]:
        """Activity concentration to uptake.

        Args:
            images: numpy or torch, any shape that ``given.suv`` broadcasts to, in Bq/ml.
            given: In Bq/ml, with the factor.

        Returns:
            Images of the same shape, and what is known of them in g/ml.

        Raises:
            DataError: The factor is not known.
        """
        return images * _factor(given), replace(given.times(_factor(given)), unit=UNIT)

    def inverse(self, images: Any, given: Given, source: Any = None) -> Any:
        """Back to Bq/ml; ``given`` is what went into ``forward``."""
        return images / _factor(given)


def _factor(given: Given) -> Any:
    if given.suv is None:
        raise DataError(
            "the SUV of 1 Bq/ml is not known here; it follows from weight, dose and times in the "
            "DICOM header"
        )
    return given.suv


PROVIDES = Suv
