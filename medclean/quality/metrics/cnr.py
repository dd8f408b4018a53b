"""Contrast-to-noise ratio between two regions."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, sqrt

from medclean.quality.metrics._base import Metric, Pair, Part, summed
from medclean.quality.metrics._moments import Moments, moments
from medclean.volume import Mask


@dataclass(frozen=True)
class Cnr(Metric):
    """``|mean a - mean b| / sqrt((sd a^2 + sd b^2) / 2)`` over the voxels of two masks.

    A mask of this metric has 1 in a and 2 in b. NaN where one has fewer than two voxels, or
    nothing varies in both.
    """

    better = "higher"
    unit = "1"
    regions = "two"
    needs_reference = False

    def parts(self, pair: Pair, masks: Sequence[Mask | None]) -> list[Part | None]:
        found: list[Part | None] = []
        for mask in masks:
            if mask is None:
                found.append(None)
                continue
            one, other = (moments(pair.result, mask == number) for number in (1, 2))
            found.append((*one, *other) if one.voxels or other.voxels else None)
        return found

    def whole(self, parts: Sequence[Part], data_range: float) -> float:
        sums = summed(parts)
        one, other = Moments(*sums[:3]), Moments(*sums[3:])
        noise = sqrt((one.deviation**2 + other.deviation**2) / 2)
        if min(one.voxels, other.voxels) < 2 or not noise:
            return nan
        return abs(one.mean - other.mean) / noise


PROVIDES = Cnr
