"""Salt and pepper: dead and saturated pixels."""

from dataclasses import dataclass

import numpy as np

from medclean.physics.noise._base import zero
from medclean.volume import Given, Image


@dataclass(frozen=True)
class SaltPepper:
    """A pixel is lost with probability ``share``, and is then bright with probability ``salt``.

    Bright is one scale above no signal, dark is no signal: 0, or air in HU.

    Attributes:
        share: Probability that a pixel is lost, 0 to 1.
        salt: Share of the lost pixels that are bright, 0 to 1.
    """

    share: float = 0.05
    salt: float = 0.5

    fits = "MR CT PT"

    def __post_init__(self) -> None:
        for name in ("share", "salt"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name):g}, expected 0 to 1")

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """Put dots on a slice ``(H, W)`` in real-world units."""
        draw, low = rng.random(image.shape, np.float32), zero(given)
        noisy = image.copy()
        noisy[draw < self.share] = low
        noisy[draw < self.share * self.salt] = low + given.scale
        return noisy


PROVIDES = SaltPepper
