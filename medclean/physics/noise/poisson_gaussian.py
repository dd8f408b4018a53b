"""Noise of a counting detector with noisy electronics."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from medclean.physics.noise._base import cut
from medclean.physics.noise.gaussian import Gaussian
from medclean.physics.noise.poisson import Poisson
from medclean.volume import Given, Image, Level, level_of


@dataclass(frozen=True)
class PoissonGaussian:
    """``y = Poisson(g x) / g + n``: its variance ``a x + b`` rises with the signal from a floor.

    Foi et al., IEEE Transactions on Image Processing 17 (2008). Where the image equals its scale
    the variance is ``sigma^2``; ``gaussian`` is the share of it that does not depend on the signal.

    Attributes:
        sigma: Standard deviation at the scale: a fraction of the scale, or with a unit.
        gaussian: Share of that variance that is Gaussian, 0 to 1.
        clip: Cut values off below no signal and above the scale, as some papers do.
    """

    sigma: Level = 0.05
    gaussian: float = 0.2
    clip: bool = False

    fits = "MR CT PT"

    def __post_init__(self) -> None:
        level_of(self.sigma)
        if not 0 <= self.gaussian <= 1:
            raise ValueError(f"gaussian={self.gaussian:g}, expected 0 to 1")

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """Add noise to a slice ``(H, W)`` in real-world units."""
        value, unit = level_of(self.sigma)
        counted = Poisson(f"{value * sqrt(1 - self.gaussian)}{unit}")
        electronic = Gaussian(f"{value * sqrt(self.gaussian)}{unit}")
        noisy = electronic(counted(image, rng, given), rng, given)
        return cut(noisy, given) if self.clip else noisy


PROVIDES = PoissonGaussian
