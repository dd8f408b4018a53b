"""Signal-to-noise ratio of a region: its mean over its standard deviation."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

from medclean.quality.metrics._base import Metric, Pair, Part, summed
from medclean.quality.metrics._moments import Moments, moments
from medclean.volume import Mask


@dataclass(frozen=True)
class Snr(Metric):
    """``mean / standard deviation`` over the voxels of a mask, which should lie in even tissue.

    Means little in HU, which may be 0 or below. NaN for fewer than two voxels, or equal ones.
    """

    better = "higher"
    unit = "1"
    regions = "mask"
    needs_reference = False
    modalities = "MR PT"

    def parts(self, pair: Pair, masks: Sequence[Mask | None]) -> list[Part | None]:
        found = (moments(pair.result, mask) for mask in masks)
        return [known if known.voxels else None for known in found]

    def whole(self, parts: Sequence[Part], data_range: float) -> float:
        region = Moments(*summed(parts))
        return region.mean / region.deviation if region.deviation else nan


PROVIDES = Snr
