"""Poisson noise of counted events."""

from dataclasses import dataclass

import numpy as np

from medclean.physics.noise._base import cut, zero
from medclean.volume import Given, Image, Level, level_of


@dataclass(frozen=True)
class Poisson:
    """``y = Poisson(g x) / g``: the mean is ``x``, the variance ``x / g``, both above no signal.

    ``g = scale / sigma^2`` events a unit, so that ``sigma`` is the standard deviation where the
    image equals its scale: 0.05 means 400 events there. Below no signal (air, in HU) nothing is
    counted, and the value stays.

    Attributes:
        sigma: Standard deviation at the scale: a fraction of the scale, or with a unit.
        clip: Cut values off below no signal and above the scale, as some papers do.
    """

    sigma: Level = 0.05
    clip: bool = False

    fits = "MR CT PT"

    def __post_init__(self) -> None:
        level_of(self.sigma)

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """Add noise to a slice ``(H, W)`` in real-world units."""
        sigma, signal = given.absolute(self.sigma), (image - zero(given)).clip(0)
        noisy = image.copy()
        if sigma > 0:
            events = given.scale / sigma**2
            noisy += (rng.poisson(events * signal) / events - signal).astype(np.float32)
        return cut(noisy, given) if self.clip else noisy


PROVIDES = Poisson
