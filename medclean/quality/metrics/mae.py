"""Mean absolute error, in the unit of the image."""

from dataclasses import dataclass

from medclean.quality.metrics._errors import Errors, OfErrors


@dataclass(frozen=True)
class Mae(OfErrors):
    """``mean(|result - reference|)``, 0 for equal images."""

    better = "lower"
    unit = "image"
    needs_reference = True

    def of(self, sums: Errors, data_range: float) -> float:
        return sums.absolute / sums.voxels


PROVIDES = Mae
