"""Rigid motion of the patient between the shots of an MR scan."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from medclean.physics.noise._base import zero
from medclean.physics.signal.fourier import to_image, to_kspace
from medclean.volume import Given, Image


@dataclass(frozen=True)
class Motion:
    """Each shot reads its block of neighbouring lines of k-space from the slice in another pose.

    Poses are drawn for each shot alone, from normal distributions about rest. The shot that reads
    the middle of k-space is at rest, so that the anatomy stays where it was.

    Attributes:
        shots: Blocks that k-space is read in, 2 or more.
        shift: Standard deviation of the shift along each axis, in mm.
        angle: Standard deviation of the turn about the middle of the slice, in degrees.
        phase: Direction of phase encoding, along which the shots follow each other.
    """

    shots: int = 8
    shift: float = 1.0
    angle: float = 1.0
    phase: Literal["rows", "columns"] = "rows"

    fits = "MR"
    slow = True

    def __post_init__(self) -> None:
        if self.shots < 2 or min(self.shift, self.angle) < 0:
            raise ValueError(
                f"shots={self.shots}, shift={self.shift:g}, angle={self.angle:g}, "
                "expected 2 or more, and 0 or more"
            )

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """Read a magnitude slice ``(H, W)`` in real-world units while it moves."""
        signal, sides = image - zero(given), np.array(given.spacing[1:])
        axis = 0 if self.phase == "rows" else 1
        read = to_kspace(signal.astype(np.complex64))
        for lines in np.array_split(np.arange(image.shape[axis]), self.shots):
            shift, angle = rng.normal(0, self.shift, 2), np.deg2rad(rng.normal(0, self.angle))
            if len(lines) and image.shape[axis] // 2 not in lines:
                block = (slice(None),) * axis + (slice(lines[0], lines[-1] + 1),)
                read[block] = to_kspace(moved(signal, shift / sides, angle, sides))[block]
        return np.abs(to_image(read)).astype(np.float32) + zero(given)


def moved(image: Image, shift: Image, angle: float, sides: Image) -> Image:
    """The slice shifted by pixels and turned by radians, by cubic splines; 0 comes in."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn * sides / sides[:, None]  # turned in mm, not in pixels
    middle = (np.array(image.shape) - 1) / 2
    return ndimage.affine_transform(image, matrix, middle - matrix @ (middle + shift), order=3)


PROVIDES = Motion
