"""Streaks along rays that were measured wrong."""

from dataclasses import dataclass

import numpy as np

from medclean.physics.noise._scan import pattern, radon_of
from medclean.volume import Given, Image, Level, level_of


@dataclass(frozen=True)
class Streak:
    """``y = x + FBP(e)``: some rays of the sinogram, drawn at random, have a normal error.

    As behind metal, or where hardly a photon comes through. The pattern is scaled to ``sigma``, its
    root mean square over the slice.

    Attributes:
        sigma: Root mean square of the streaks: a fraction of the scale, or with a unit.
        rays: Number of wrong rays, 1 or more.
    """

    sigma: Level = 0.01
    rays: int = 20

    fits = "CT"
    slow = True
    sinogram = True

    def __post_init__(self) -> None:
        level_of(self.sigma)
        if self.rays < 1:
            raise ValueError(f"rays={self.rays}, expected 1 or more")

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """Add streaks to a slice ``(H, W)`` in real-world units."""
        radon = radon_of(image.shape)
        errors = np.zeros((radon.views, radon.channels), np.float32)
        wrong = rng.integers(0, errors.size, self.rays)
        errors.flat[wrong] = rng.standard_normal(self.rays, np.float32)
        streaks = pattern(errors, radon, given.device)
        return image + np.float32(given.absolute(self.sigma)) * streaks


PROVIDES = Streak
