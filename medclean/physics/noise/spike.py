"""Spikes in k-space, which draw stripes over the slice."""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from medclean.physics.noise._base import zero
from medclean.physics.signal.fourier import to_image, to_kspace
from medclean.volume import Given, Image, Level, level_of


@dataclass(frozen=True)
class Spike:
    """``y = |F*(F x + sum a sqrt(H W) e^(i phase) at k_j)|`` with random phases and places ``k_j``.

    Each spike adds a complex wave of amplitude ``a`` (``F`` is orthonormal): the herringbone of
    electrical discharges while k-space is read.

    Attributes:
        count: Number of spikes, 1 or more.
        amplitude: Of each wave: a fraction of the scale, or with a unit.
    """

    count: int = 1
    amplitude: Level = 0.1

    fits = "MR"

    def __post_init__(self) -> None:
        level_of(self.amplitude)
        if self.count < 1:
            raise ValueError(f"count={self.count}, expected 1 or more")

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """Add stripes to a magnitude slice ``(H, W)`` in real-world units."""
        kspace = to_kspace((image - zero(given)).astype(np.complex64))
        places = rng.integers(0, image.size, self.count)
        phases = np.exp(2j * np.pi * rng.random(self.count))
        strength = given.absolute(self.amplitude) * sqrt(image.size)
        np.add.at(kspace.reshape(-1), places, (strength * phases).astype(np.complex64))
        return np.abs(to_image(kspace)) + zero(given)


PROVIDES = Spike
