"""Non-central chi noise of MRI with several coils."""

from dataclasses import dataclass

import numpy as np

from medclean.physics.noise._base import cut, zero
from medclean.volume import Given, Image, Level, level_of


@dataclass(frozen=True)
class Chi:
    """``y = sqrt(sum |x_c + n_c|^2)`` over coils, with ``sum |x_c|^2 = x^2``.

    Both parts of each ``n_c`` are ``N(0, sigma^2)`` (Constantinides et al., Magnetic Resonance in
    Medicine 38, 1997). The sum of squares depends on the ``x_c`` through ``x`` alone, so one coil
    is drawn with all of the signal, and the others as one central chi. ``E y^2`` is
    ``x^2 + 2 coils sigma^2``; one coil is Rician. In HU, ``x`` is counted from air.

    Attributes:
        sigma: Standard deviation of each part of a coil: a fraction of the scale, or with a unit.
        coils: Whose images are combined by root sum of squares, without correlation.
        clip: Cut values off above the scale, as some papers do.
    """

    sigma: Level = 0.05
    coils: int = 8
    clip: bool = False

    fits = "MR"
    white = True

    def __post_init__(self) -> None:
        level_of(self.sigma)
        if self.coils < 1:
            raise ValueError(f"coils={self.coils}, expected 1 or more")

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """Add noise to a magnitude slice ``(H, W)`` in real-world units."""
        sigma = np.float32(given.absolute(self.sigma))
        signal = image - zero(given) + sigma * rng.standard_normal(image.shape, np.float32)
        rest = np.sqrt(rng.chisquare(2 * self.coils - 1, image.shape)).astype(np.float32)
        noisy = np.hypot(signal, sigma * rest) + zero(given)
        return cut(noisy, given) if self.clip else noisy


PROVIDES = Chi
