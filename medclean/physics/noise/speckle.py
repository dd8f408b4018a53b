"""Speckle: noise in proportion to the signal."""

from dataclasses import dataclass

import numpy as np

from medclean.physics.noise._base import cut, zero
from medclean.volume import Given, Image, Level, level_of


@dataclass(frozen=True)
class Speckle:
    """``y = x + x n`` above no signal with ``n ~ N(0, (sigma / scale)^2)``.

    The multiplicative model of fully developed speckle after averaging over many looks (Lee, IEEE
    Transactions on Pattern Analysis and Machine Intelligence 2, 1980).

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
        share = np.float32(given.absolute(self.sigma) / given.scale)
        signal = image - zero(given)
        noisy = image + signal * (share * rng.standard_normal(image.shape, np.float32))
        return cut(noisy, given) if self.clip else noisy


PROVIDES = Speckle
