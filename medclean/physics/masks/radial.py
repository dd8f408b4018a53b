"""Spokes through the middle, a golden angle apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

from medclean.physics.masks._base import Pattern, along
from medclean.volume import Mask

GOLDEN = pi * (sqrt(5) - 1) / 2  # 111.25 degrees


@dataclass(frozen=True)
class Radial(Pattern):
    """Diameters through the zero frequency out to the corners, on the nearest places of the grid.

    Each is turned by 111.25 degrees from the one before, the first at random (Winkelmann et al.,
    IEEE Transactions on Medical Imaging 26, 2007). The last is shorter where less is missing.

    Attributes:
        center: Share of k-space in the middle that is sampled whole.
    """

    center: float = 0.0

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
        """Spokes in k-space ``(H, W)``, or alike in each plane of ``(D, H, W)``."""
        plane = shape[-2:]
        chosen = self.middle(plane)
        arms = spokes(2 * pi * rng.random(), 4 * max(plane))
        mask = along(arms, chosen, self.of(chosen.size))
        return np.broadcast_to(mask, shape).copy()


def spokes(angle: float, length: int) -> Iterator[NDArray[np.float64]]:
    """Diameters ``(2, length)`` without end, the first at an angle; from the middle outwards."""
    reach = np.linspace(-sqrt(2), sqrt(2), length)
    reach = reach[np.argsort(np.abs(reach), kind="stable")]
    for number in count():
        turned = angle + number * GOLDEN
        yield np.stack((reach * np.sin(turned), reach * np.cos(turned)))


PROVIDES = Radial
