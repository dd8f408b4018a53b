"""Additive white Gaussian noise."""

from dataclasses import dataclass

import numpy as np

from medclean.physics.noise._base import cut
from medclean.volume import Given, Image, Level, level_of


@dataclass(frozen=True)
class Gaussian:
    """``y = x + n`` with ``n ~ N(0, sigma^2)``.

    Attributes:
        sigma: Standard deviation: a fraction of the scale, or with a unit, as in 20HU.
        clip: Cut values off below no signal and above the scale, as some papers do.
    """

    sigma: Level = 0.05
    clip: bool = False

    fits = "MR CT PT"
    white = True

    def __post_init__(self) -> None:
        level_of(self.sigma)

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """Add noise to a slice ``(H, W)`` in real-world units."""
        sigma = np.float32(given.absolute(self.sigma))
        noisy = image + sigma * rng.standard_normal(image.shape, np.float32)
        return cut(noisy, given) if self.clip else noisy


PROVIDES = Gaussian
