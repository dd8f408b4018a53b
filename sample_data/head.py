"""A made T1-weighted head: the tissue maps of an average brain, in a skull and scalp of their own.

Needs nilearn (``pip install nilearn``), which carries the maps; see README.md for their licence.
"""

from functools import cache
from pathlib import Path

import nibabel as nib
import nilearn
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]

SIZE = 256  # pixels a side
SPACING = 0.9  # mm
CENTRE = (0.0, 20.0)  # of the slice: x and y in mm, LPS
PLACES = np.arange(-2.0, 64.0, 5.5)  # z in mm, LPS: 12 slices from the thalamus to the vertex
WHITE, GREY, FLUID, FAT, MARROW, BONE = 0.76, 0.52, 0.14, 0.86, 0.36, 0.03  # of scale
LAYERS = (  # mm from the brain's surface: what lies further out than that
    (-0.5, FLUID),
    (3.0, BONE),
    (5.0, MARROW),
    (7.0, BONE),
    (9.0, 0.26),  # fascia
    (10.0, FAT),
    (14.5, 0.40),  # skin
    (16.0, 0.0),  # air
)


def slices() -> Array:
    """``(slices, rows, columns)``; the brightest tissue is near 1, air is 0."""
    return np.stack([_slice(z) for z in PLACES])


def noise(clean: Array, sigma: float, rng: np.random.Generator) -> Array:
    """Rician: the magnitude of a signal with Gaussian noise in both channels."""
    real, imaginary = rng.normal(0, sigma, (2, *clean.shape))
    return np.hypot(clean + real, imaginary)


def _slice(z: float) -> Array:
    """One axial slice: rows run to the back, columns to the left of the head."""
    offsets = (np.arange(SIZE) - (SIZE - 1) / 2) * SPACING
    y, x = np.meshgrid(offsets + CENTRE[1], offsets + CENTRE[0], indexing="ij")
    grey, white, t1, outside = (_at(volume, x, y, z) for volume in _maps())
    fluid = np.clip(1 - grey - white, 0, 1)
    shares = np.stack([white, grey, fluid]).clip(0, 1) ** 3  # an average is blurred: sharpen it
    shares /= shares.sum(axis=0) + 1e-9
    made = np.tensordot([WHITE, GREY, FLUID], shares, axes=1)
    texture = t1 - ndimage.gaussian_filter(t1, 12)  # deep nuclei and sulci, as they were measured
    head = made + 0.5 * np.where(outside < -2, texture, 0)
    for depth, value in LAYERS:
        edge = 1 / (1 + np.exp(-(outside - depth) / 0.25))
        head = head * (1 - edge) + value * edge
    shading = 1 + 0.12 * np.cos(x / 60) - 0.08 * y / 100  # of the receive coils
    return np.clip(head * shading, 0, None)


def _at(spline: Array, x: Array, y: Array, z: float) -> Array:
    """A map of the template at points in LPS mm; its affine is a shift."""
    points = np.stack([98 - x, 134 - y, np.full_like(x, 72 + z)])
    found = ndimage.map_coordinates(spline, points, order=3, mode="nearest", prefilter=False)
    return np.asarray(found)


@cache
def _maps() -> list[Array]:
    """Splines of grey matter, white matter and T1, each 0 to 1, and of mm from the brain."""
    folder = Path(nilearn.__file__).parent / "datasets" / "data"
    maps = []
    for kind in ("gm", "wm", "t1"):
        image = nib.load(folder / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz")
        values = np.asarray(image.dataobj, np.float64)
        maps.append(values / values.max())
    brain = ndimage.gaussian_filter((maps[2] > 0).astype(float), 4) > 0.42  # no gyri on bone
    outside = ndimage.distance_transform_edt(~brain) - ndimage.distance_transform_edt(brain)
    return [ndimage.spline_filter(values, order=3) for values in (*maps, outside)]
