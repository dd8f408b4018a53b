"""Rician noise of magnitude MRI."""

from dataclasses import dataclass

import numpy as np

from medclean.physics.noise._base import cut, zero
from medclean.volume import Given, Image, Level, level_of


@dataclass(frozen=True)
class Rician:
    """``y = |x + n1 + i n2|`` with ``n1, n2 ~ N(0, sigma^2)`` (Gudbjartsson and Patz, 1995).

    Where nothing is, ``y`` has a mean of ``sigma * sqrt(pi / 2)``; far above the noise it is like
    Gaussian noise around ``sqrt(x^2 + sigma^2)``. In HU, ``x`` is counted from air.

    Attributes:
        sigma: Standard deviation of each part: a fraction of the scale, or with a unit.
        clip: Cut values off above the scale, as some papers do.
    """

    sigma: Level = 0.05
    clip: bool = False

    fits = "MR"
    white = True

    def __post_init__(self) -> None:
        level_of(self.sigma)

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """Add noise to a magnitude slice ``(H, W)`` in real-world units."""
        sigma = np.float32(given.absolute(self.sigma))
        real, imaginary = sigma * rng.standard_normal((2, *image.shape), np.float32)
        noisy = np.hypot(image - zero(given) + real, imaginary) + zero(given)
        return cut(noisy, given) if self.clip else noisy


PROVIDES = Rician
