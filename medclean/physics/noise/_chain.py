"""Several noises, one after the other."""

from dataclasses import dataclass, replace
from math import hypot

import numpy as np

from medclean.options import spec
from medclean.physics.noise._base import Noise, name_of
from medclean.volume import Given, Image


@dataclass(frozen=True)
class Chain:
    """Noises at fixed levels, applied in order.

    Attributes:
        noises: As the catalogue made them.
    """

    noises: tuple[Noise, ...]

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """An image ``(H, W)`` in real-world units with all of them."""
        for noise in self.noises:
            image = noise(image, rng, given)
        return image

    def given(self, given: Given) -> Given:
        """What is known about an image with them: variances add up; None where none has a sigma."""
        levels = [noise.sigma for noise in self.noises if hasattr(noise, "sigma")]
        sigma = hypot(*(float(given.absolute(level)) for level in levels)) if levels else None
        return replace(given, sigma=sigma)

    @property
    def names(self) -> tuple[str, ...]:
        """Of each, in the catalogue."""
        return tuple(map(name_of, self.noises))

    @property
    def sinogram(self) -> bool:
        """Whether one begins in the sinogram, and so is quicker on a GPU."""
        return any(getattr(noise, "sinogram", False) for noise in self.noises)

    def __str__(self) -> str:
        """All of them, as specs: ``rician:sigma=0.1,clip=false, then ghosting:...``."""
        return ", then ".join(map(spec, self.names, self.noises))
