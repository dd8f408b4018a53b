"""A made body in slices, clean and noisy, for tests that need to know the truth."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]

SIGMA = {"CT": 25.0, "MR": 40.0}  # of the noise
SCALE = {"CT": 4000.0, "MR": 1000.0}


def clean(modality: str, slices: int = 3, size: int = 160) -> Array:
    """A body with organs and vessels, ``(slices, size, size)``: HU for CT, up to 1000 for MR."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    body = np.hypot(rows * 1.2, columns) < 0.42
    organs, vessels = (
        ndimage.gaussian_filter(rng.normal(size=(slices, size, size)), (1, width, width))
        for width in (9, 3)
    )
    level = np.tanh(3 * organs / organs.std()) + 2 * (vessels > 2.5 * vessels.std())
    inside = 60 + 60 * level if modality == "CT" else 450 + 170 * level
    outside = -1000 if modality == "CT" else 0
    return ndimage.gaussian_filter(np.where(body, inside, outside), (0, 0.7, 0.7)).astype(
        np.float32
    )


def noisy(image: Array, modality: str) -> Array:
    """White noise in CT, Rician in MR."""
    real, imaginary = np.random.default_rng(2).normal(0, SIGMA[modality], (2, *image.shape))
    return (image + real if modality == "CT" else np.hypot(image + real, imaginary)).astype(
        np.float32
    )


def lesion(shape: tuple[int, ...], at: tuple[int, int, int], radius: float) -> Array:
    """1 in a disk of one slice, else 0."""
    number, row, column = at
    rows, columns = np.mgrid[: shape[1], : shape[2]]
    drawn = np.zeros(shape, np.float32)
    drawn[number] = np.hypot(rows - row, columns - column) <= radius
    return drawn
