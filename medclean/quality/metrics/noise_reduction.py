"""How much of the noise level is gone, against the noisy image."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

from medclean.physics.signal.noise_level import noise_level, series_noise_level
from medclean.quality.metrics._base import Metric, Pair, Part
from medclean.volume import Mask


@dataclass(frozen=True)
class NoiseReduction(Metric):
    """``100 (1 - noise(result) / noise(noisy))`` in %, of levels as ``noise`` has them.

    Below 0 where noise was added; NaN where the noisy image shows none.
    """

    better = "higher"
    unit = "%"
    regions = "body mask"
    needs_reference = False
    needs_noisy = True

    def parts(self, pair: Pair, masks: Sequence[Mask | None]) -> list[Part | None]:
        images = (pair.result, pair.compared)
        return [
            tuple(pair.once(noise_level, image, mask) for image in images)
            if mask is None or mask.any()
            else None
            for mask in masks
        ]

    def whole(self, parts: Sequence[Part], data_range: float) -> float:
        after, before = (
            series_noise_level(level for level in levels if level > 0)
            for levels in zip(*parts, strict=True)
        )
        return 100 * (1 - after / before) if before else nan


PROVIDES = NoiseReduction
