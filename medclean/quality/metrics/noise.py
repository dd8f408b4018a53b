"""Noise level, measured from the image alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from medclean.physics.signal.noise_level import noise_level, series_noise_level
from medclean.quality.metrics._base import Metric, Pair, Part
from medclean.volume import Mask


@dataclass(frozen=True)
class Noise(Metric):
    """Robust standard deviation of the finest detail where the body is flattest.

    The median over the slices that show any. Texture counts as noise, so that a perfect image of a
    textured organ is above 0; see ``noise_level`` for what else it cannot tell.
    """

    better = "lower"
    unit = "image"
    regions = "body mask"
    needs_reference = False

    def parts(self, pair: Pair, masks: Sequence[Mask | None]) -> list[Part | None]:
        inside = [mask is None or mask.any() for mask in masks]
        return [
            (pair.once(noise_level, pair.result, mask),) if there else None
            for mask, there in zip(masks, inside, strict=True)
        ]

    def whole(self, parts: Sequence[Part], data_range: float) -> float:
        return series_noise_level(level for (level,) in parts if level > 0)


PROVIDES = Noise
