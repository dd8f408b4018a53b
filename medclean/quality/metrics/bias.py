"""Shift of the mean: HU that a region has gained, or lost where below 0."""

from dataclasses import dataclass

from medclean.quality.metrics._errors import Errors, OfErrors


@dataclass(frozen=True)
class Bias(OfErrors):
    """``mean(result - reference)``, in the unit of the image."""

    better = "zero"
    unit = "image"
    needs_reference = True

    def of(self, sums: Errors, data_range: float) -> float:
        return sums.error / sums.voxels


PROVIDES = Bias
