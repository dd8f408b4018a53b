"""Spirals from the middle outwards."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

from medclean.physics.masks._base import Pattern, along
from medclean.volume import Mask

GOLDEN = pi * (3 - sqrt(5))  # 137.51 degrees


@dataclass(frozen=True)
class Spiral(Pattern):
    """Spirals ``r = angle^density`` out to the corners, on the nearest places of the grid.

    Kim, Adalsteinsson and Spielman, Magnetic Resonance in Medicine 50 (2003). About ``arms`` of
    them, each turned by 137.51 degrees from the one before, the first at random; they wind as often
    as the ratio allows, and the last ends where there is enough.

    Attributes:
        center: Share of k-space in the middle that is sampled whole.
        arms: About how many, 1 or more.
        density: How much denser the middle is than the rim, 1 (Archimedean, alike) or more.
    """

    center: float = 0.0
    arms: int = 8
    density: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.arms < 1:
            raise ValueError(f"arms={self.arms}, expected 1 or more")
        if self.density < 1:
            raise ValueError(f"density={self.density:g}, expected 1 or more")

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
        """Spirals in k-space ``(H, W)``, or alike in each plane of ``(D, H, W)``."""
        plane = shape[-2:]
        chosen = self.middle(plane)
        turns = self.share * sqrt(chosen.size) / self.arms * (self.density + 1) / 2
        arms = spirals(2 * pi * rng.random(), turns, self.density, max(plane))
        mask = along(arms, chosen, self.of(chosen.size))
        return np.broadcast_to(mask, shape).copy()


def spirals(angle: float, turns: float, density: float, side: int) -> Iterator[NDArray[np.float64]]:
    """Spirals ``(2, T)`` without end, in even steps of less than a pixel, the first at an angle."""
    wound = np.linspace(0, 1, int(side * (4 + 8 * turns))) ** (1 / (density + 1))
    reach = sqrt(2) * wound**density
    for number in count():
        turned = angle + number * GOLDEN + 2 * pi * turns * wound
        yield np.stack((reach * np.sin(turned), reach * np.cos(turned)))


PROVIDES = Spiral
