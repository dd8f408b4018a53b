"""Fewer counts of a PET scan: the shorter scan, or the lower activity."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from medclean.physics.operators.blur import FWHM
from medclean.volume import Given, Image


@dataclass(frozen=True)
class Counts:
    """``y = x + (B / d - N) * psf / g`` with ``B ~ Binomial(N, d)``: events thinned at random.

    ``N = g x`` events in a pixel, rounded up or down at random, with ``g = counts / scale``. The
    image has its noise and its point spread already: what is added is the noise of the events that
    are lost, ``(1/d - 1) x / g`` in variance before the point spread, so that the anatomy gets no
    blurrier. Where a point spread reaches beyond hot regions, values may fall below 0.

    Attributes:
        dose: Fraction of the events that is kept, d, 0 to 1.
        counts: Events in a pixel that equals the scale. The unit of the image drops out: Bq/ml, SUV
            and arbitrary units are thinned alike.
        fwhm: Point spread of the scanner, full width at half maximum, in mm, 0 or more.
    """

    dose: float = 0.25
    counts: float = 100.0
    fwhm: float = 5.0

    fits = "PT"

    def __post_init__(self) -> None:
        if not 0 < self.dose <= 1:
            raise ValueError(f"dose={self.dose:g}, expected above 0 to 1")
        if not self.counts > 0 or self.fwhm < 0:
            raise ValueError(
                f"counts={self.counts:g}, fwhm={self.fwhm:g}, expected above 0, and 0 or more"
            )

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """Thin a slice ``(H, W)`` of activity in real-world units; negative values have none."""
        gain = self.counts / given.scale
        events = np.floor(gain * image.clip(0) + rng.random(image.shape)).astype(np.int64)
        lost = rng.binomial(events, self.dose) / self.dose - events
        width = [self.fwhm / FWHM / side for side in given.spacing[1:]]
        return image + (ndimage.gaussian_filter(lost, width) / gain).astype(np.float32)


PROVIDES = Counts
