"""Mean frequency of the noise power spectrum: what the grain looks like."""

from collections.abc import Sequence
from dataclasses import dataclass

from medclean.quality.metrics._base import Metric, Pair, Part
from medclean.quality.metrics._spectrum import Spectrum, flat_power, flat_squares, spectrum
from medclean.volume import Mask


@dataclass(frozen=True)
class NpsFrequency(Metric):
    """``sum f NPS(f) / sum NPS(f)`` in 1/mm, of the radial spectrum (AAPM TG-233, 2019).

    White noise has half of Nyquist's frequency; a lower one is coarser grain, and what a denoiser
    should not change. Measured where the image is flattest, in squares of 32 pixels (16 in images
    narrower than 192), of the reference if there is one. Anatomy in them counts as low frequencies:
    only in a uniform phantom, or a mask in even tissue, this is the spectrum of noise alone.
    """

    better = "same"
    unit = "1/mm"
    regions = "body mask"
    needs_reference = False

    def parts(self, pair: Pair, masks: Sequence[Mask | None]) -> list[Part | None]:
        guide = pair.result if pair.other is None else pair.other
        squares = (pair.once(flat_squares, guide, mask) for mask in masks)
        return [flat_power(pair.result, found, pair.spacing) for found in squares]

    def whole(self, parts: Sequence[Part], data_range: float) -> float:
        return self.curve(parts).mean_frequency

    def curve(self, parts: Sequence[Part]) -> Spectrum:
        """The spectrum itself."""
        return spectrum(parts)


PROVIDES = NpsFrequency
