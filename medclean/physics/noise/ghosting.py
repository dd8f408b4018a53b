"""Ghosts of a periodic error from line to line of k-space."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medclean.physics.noise._base import zero
from medclean.physics.signal.fourier import to_image, to_kspace
from medclean.volume import Given, Image


@dataclass(frozen=True)
class Ghosting:
    """``y = |x + a e^(i p) x(r - H / n) + a e^(-i p) x(r + H / n)|`` on ``H`` phase-encoded lines.

    Line k of k-space, counted from the middle, is read ``1 + 2 a cos(2 pi k / n + p)`` times as
    strong, with a random p: breathing or pulsation (Wood and Henkelman, Medical Physics 12, 1985).
    Both ghosts coincide for n = 2, as in echo-planar imaging.

    Attributes:
        period: Lines from one strong line to the next, n, 2 or more.
        strength: Of each ghost as a share of the image, a, 0 to 0.5.
        phase: Direction of phase encoding, along which ghosts lie: down the rows, or columns.
    """

    period: float = 4.0
    strength: float = 0.1
    phase: Literal["rows", "columns"] = "rows"

    fits = "MR"

    def __post_init__(self) -> None:
        if self.period < 2 or not 0 <= self.strength <= 0.5:
            raise ValueError(
                f"period={self.period:g}, strength={self.strength:g}, expected 2 or more, 0 to 0.5"
            )

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """Add ghosts to a magnitude slice ``(H, W)`` in real-world units."""
        axis = 0 if self.phase == "rows" else 1
        lines = np.arange(image.shape[axis]) - image.shape[axis] // 2
        turn = 2 * np.pi * (lines / self.period + rng.random())
        gain = (1 + 2 * self.strength * np.cos(turn)).astype(np.float32)
        signal = (image - zero(given)).astype(np.complex64)
        kspace = to_kspace(signal, (axis,)) * np.expand_dims(gain, 1 - axis)
        return np.abs(to_image(kspace, (axis,))) + zero(given)


PROVIDES = Ghosting
