"""What noises share: which images they fit, where signal begins, where papers cut it off."""

from typing import Any, Protocol

import numpy as np

from medclean.volume import UNITS, Given, Image

AIR = -1000.0  # HU


class Noise(Protocol):
    """A noise of the catalogue; ``fits`` names the modalities whose physics it is.

    One whose class says ``white = True`` draws each pixel's for itself, alike at all frequencies.
    """

    fits: str

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """Add it to a slice ``(H, W)`` in real-world units; the slice stays as it was."""
        ...


def zero(given: Given) -> float:
    """The value of no signal: air in HU, 0 in any other unit."""
    return AIR if given.unit == UNITS["CT"] else 0.0


def cut(noisy: Image, given: Given) -> Image:
    """Clip to one scale from no signal on, as papers do that work on images from 0 to 1."""
    low = zero(given)
    return noisy.clip(np.float32(low), np.float32(low + given.scale))


def fits(noise: Any, given: Given) -> bool:
    """Whether images of this modality can have a noise; those of an unknown one may."""
    return not given.modality or given.modality in noise.fits.split()


def misfit(name: str, noise: Any, given: Given) -> str:
    """What to say where they cannot."""
    return f"{name} is a noise of {noise.fits} images, and these are {given.modality}"


def name_of(noise: Noise) -> str:
    """The name in the catalogue."""
    return type(noise).__module__.rpartition(".")[2].replace("_", "-")
