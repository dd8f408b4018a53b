"""Several noises, one after the other."""

from dataclasses import dataclass, fields, replace
from math import hypot

import numpy as np

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
        """What is not the default, as a spec: ``rician:sigma=0.1, then spike:count=2``."""
        return ", then ".join(map(_spec, self.noises))


def _spec(noise: Noise) -> str:
    stated = {f.name: getattr(noise, f.name) for f in fields(noise) if f.name == "sigma"}  # type: ignore[arg-type]
    for field in fields(noise):  # type: ignore[arg-type]  # a dataclass, as the catalogue has it
        if getattr(noise, field.name) != field.default:
            stated[field.name] = getattr(noise, field.name)
    words = ",".join(f"{name}={_plain(value)}" for name, value in stated.items())
    return f"{name_of(noise)}:{words}" if words else name_of(noise)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
