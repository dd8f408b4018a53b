"""Change of SUVmax, the hottest voxel of a region."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

from medclean.quality.metrics._base import Metric, Pair, Part
from medclean.volume import Mask


@dataclass(frozen=True)
class SuvMax(Metric):
    """``100 (max(result) / max(reference) - 1)`` in %, the same in Bq/ml as in SUV.

    NaN where the reference is nowhere above 0.
    """

    better = "zero"
    unit = "%"
    regions = "body mask"
    needs_reference = True
    modalities = "PT"

    def parts(self, pair: Pair, masks: Sequence[Mask | None]) -> list[Part | None]:
        images, found = (pair.result, pair.compared), list[Part | None]()
        for mask in masks:
            regions = [image if mask is None else image[mask] for image in images]
            there = regions[0].size > 0
            found.append(tuple(float(region.max()) for region in regions) if there else None)
        return found

    def whole(self, parts: Sequence[Part], data_range: float) -> float:
        after, before = map(max, zip(*parts, strict=True))
        return 100 * (after / before - 1) if before > 0 else nan


PROVIDES = SuvMax
