"""Root mean square error, in the unit of the image: HU for CT."""

from dataclasses import dataclass
from math import sqrt

from medclean.quality.metrics._errors import Errors, OfErrors


@dataclass(frozen=True)
class Rmse(OfErrors):
    """``sqrt(mean((result - reference)^2))``, 0 for equal images."""

    better = "lower"
    unit = "image"
    needs_reference = True

    def of(self, sums: Errors, data_range: float) -> float:
        return sqrt(sums.squared / sums.voxels)


PROVIDES = Rmse
