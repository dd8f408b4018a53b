"""The Fourier transform between images and k-space: centred and orthonormal.

The zero frequency lies at index ``n // 2`` of each axis, and so does the image's origin; the norm
of an image is that of its k-space. These are the conventions of masks and of saved k-space.
"""

from typing import Any

import numpy as np
import scipy.fft

PLANE = (-2, -1)


def to_kspace(image: Any, axes: tuple[int, ...] = PLANE) -> Any:
    """``F x``, complex, of an image; precision and kind of array are kept.

    Args:
        image: numpy or torch, real or complex, any shape.
        axes: That are transformed: two of a slice, three of a volume.
    """
    fft = _library(image)
    return fft.fftshift(fft.fftn(fft.ifftshift(image, axes), None, axes, "ortho"), axes)


def to_image(kspace: Any, axes: tuple[int, ...] = PLANE) -> Any:
    """``F* k``, complex: the inverse of ``to_kspace``, and its adjoint."""
    fft = _library(kspace)
    return fft.fftshift(fft.ifftn(fft.ifftshift(kspace, axes), None, axes, "ortho"), axes)


def _library(array: Any) -> Any:
    """Scipy keeps single precision; torch takes the same arguments in this order."""
    if isinstance(array, np.ndarray):
        return scipy.fft
    import torch

    return torch.fft
