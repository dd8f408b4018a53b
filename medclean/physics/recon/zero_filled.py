"""Images straight from k-space in which what was not sampled is zero."""

from typing import Any

import numpy as np

from medclean.physics.signal.fourier import PLANE, to_image, to_kspace
from medclean.volume import Image, Mask


def zero_filled(kspace: Any, axes: tuple[int, ...] = PLANE) -> Any:
    """The complex images of sampled k-space: ``F* k`` of each coil, the minimum-norm solution.

    Args:
        kspace: numpy or torch, complex, any shape; 0 where it was not sampled.
        axes: That are frequencies.
    """
    return to_image(kspace, axes)


def root_sum_of_squares(coils: Any, axis: int = 0) -> Any:
    """One magnitude image of complex coil images: ``sqrt(sum |x_c|^2)``.

    Roemer et al., Magnetic Resonance in Medicine 16 (1990). For one coil it is the magnitude.

    Args:
        coils: numpy or torch, any shape.
        axis: Over the coils.
    """
    squares = (coils * coils.conj()).real.sum(axis)
    return np.sqrt(squares) if isinstance(coils, np.ndarray) else squares.sqrt()


def undersampled(images: Image, mask: Mask, air: float) -> Image:
    """Magnitude images of which k-space was sampled in part.

    Args:
        images: ``(..., H, W)``.
        mask: ``(H, W)``, true where k-space is sampled.
        air: The images' value of no signal.
    """
    sampled = to_kspace((images - np.float32(air)).astype(np.complex64)) * mask
    found: Image = np.abs(zero_filled(sampled)) + np.float32(air)
    return found
