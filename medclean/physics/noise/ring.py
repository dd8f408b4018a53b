"""Rings of miscalibrated detector channels."""

from dataclasses import dataclass

import numpy as np

from medclean.physics.noise._scan import pattern, radon_of
from medclean.volume import Given, Image, Level, level_of


@dataclass(frozen=True)
class Ring:
    """``y = x + FBP(e)``: some channels err by the same amount in every view of the full turn.

    Errors are normal, one a channel; the pattern is scaled to ``sigma``, its root mean square over
    the slice. Rings lie about the middle of the slice.

    Attributes:
        sigma: Root mean square of the rings: a fraction of the scale, or with a unit.
        share: Of the channels that err, above 0 to 1.
    """

    sigma: Level = 0.01
    share: float = 0.02

    fits = "CT"
    slow = True
    sinogram = True

    def __post_init__(self) -> None:
        level_of(self.sigma)
        if not 0 < self.share <= 1:
            raise ValueError(f"share={self.share:g}, expected above 0 to 1")

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """Add rings to a slice ``(H, W)`` in real-world units."""
        radon = radon_of(image.shape)
        channels = radon.channels
        errors = np.zeros(channels, np.float32)
        erring = rng.choice(channels, max(1, round(self.share * channels)), replace=False)
        errors[erring] = rng.standard_normal(len(erring), np.float32)
        errors += errors[::-1]  # the other half of the turn sees each channel mirrored
        views = np.broadcast_to(errors, (radon.views, channels)).copy()
        rings = pattern(views, radon, given.device)
        return image + np.float32(given.absolute(self.sigma)) * rings


PROVIDES = Ring
