"""Change of SUVmean, the mean uptake of a region."""

from dataclasses import dataclass
from math import nan

from medclean.quality.metrics._errors import Errors, OfErrors


@dataclass(frozen=True)
class SuvMean(OfErrors):
    """``100 (mean(result) / mean(reference) - 1)`` in %, the same in Bq/ml as in SUV.

    NaN where the reference has no mean above 0.
    """

    better = "zero"
    unit = "%"
    regions = "body mask"
    needs_reference = True
    modalities = "PT"

    def of(self, sums: Errors, data_range: float) -> float:
        return 100 * sums.error / sums.total if sums.total > 0 else nan


PROVIDES = SuvMean
