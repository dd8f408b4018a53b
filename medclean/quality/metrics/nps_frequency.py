"""Mean frequency of the noise power spectrum: what the grain looks like."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medclean.quality.metrics._base import Metric, Pair, Part
from medclean.quality.metrics._spectrum import Spectrum, flat_power, flat_squares, spectrum
from medclean.volume import Mask


@dataclass(frozen=True)
class NpsFrequency(Metric):
    """``sum f NPS(f) / sum NPS(f)`` in 1/mm, of the radial spectrum (AAPM TG-233, 2019).

    White noise has half of Nyquist's frequency; a lower one is coarser grain, and what a denoiser
    should not change. With a reference it is that of result - reference, in which anatomy cancels,
    and what was blurred counts; without one, that of the image, in which the anatomy of the places
    counts as low frequencies: then it is the spectrum of noise in a uniform phantom only, or in a
    mask of even tissue. Either is measured in squares of 32 pixels (16 in images narrower than
    192), where the reference, else the image, is flattest. Such a square holds little of what is
    longer than it: of noise blurred by 0.5, 0.8, 1.2 and 2 pixels the figure is 1, 4, 7 and 16 %
    too high, alike for all results. NaN where nothing varies.
    """

    better = "same"
    unit = "1/mm"
    regions = "body mask"
    needs_reference = False

    def parts(self, pair: Pair, masks: Sequence[Mask | None]) -> list[Part | None]:
        guide = pair.result if pair.other is None else pair.other
        noise = pair.result.astype(np.float64)
        if pair.other is not None:
            noise -= pair.other
        squares = (pair.once(flat_squares, guide, mask) for mask in masks)
        return [flat_power(noise, found, pair.spacing) for found in squares]

    def whole(self, parts: Sequence[Part], data_range: float) -> float:
        return self.curve(parts).mean_frequency

    def curve(self, parts: Sequence[Part]) -> Spectrum:
        """The spectrum itself."""
        return spectrum(parts)


PROVIDES = NpsFrequency
