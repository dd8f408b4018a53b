"""Gaussian noise whose level varies smoothly over the slice."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from medclean.physics.noise._base import cut
from medclean.volume import Given, Image, Level, level_of


@dataclass(frozen=True)
class GaussianMap:
    """``y = x + s n`` with ``n ~ N(0, 1)`` and a smooth random field ``s``, new for each slice.

    Parallel imaging and the distance from surface coils make such noise (Pruessmann et al., 1999).
    ``s`` is ``spread^f``, ``f`` from 0 to 1 being low-passed white noise, times what makes its
    root mean square ``sigma``.

    Attributes:
        sigma: Root mean square of the level: a fraction of the scale, or with a unit.
        spread: Highest level over lowest.
        smooth: Standard deviation of the low-pass, as a share of the slice's longer side.
        clip: Cut values off below no signal and above the scale, as some papers do.
    """

    sigma: Level = 0.05
    spread: float = 4.0
    smooth: float = 0.2
    clip: bool = False

    fits = "MR CT PT"
    white = True

    def __post_init__(self) -> None:
        level_of(self.sigma)
        if self.spread < 1 or not 0 < self.smooth <= 1:
            raise ValueError(
                f"spread={self.spread:g}, smooth={self.smooth:g}, expected 1 or more and 0 to 1"
            )

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """Add noise to a slice ``(H, W)`` in real-world units."""
        white = rng.standard_normal((2, *image.shape), np.float32)
        field = ndimage.gaussian_filter(white[0], self.smooth * max(image.shape), mode="wrap")
        field = (field - field.min()) / (np.ptp(field) or 1.0)
        level = np.float32(self.spread) ** field
        level *= np.float32(given.absolute(self.sigma)) / np.sqrt(np.mean(level**2))
        noisy = image + level * white[1]
        return cut(noisy, given) if self.clip else noisy


PROVIDES = GaussianMap
