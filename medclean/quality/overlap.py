"""How well two masks agree: overlap, distances between their surfaces, volume.

Functions of masks ``(slices, rows, columns)`` or ``(rows, columns)``; distances in mm. A surface is
the voxels of a mask that have a face in common with what lies outside, the border of the image
included; that of a single slice is its outline. What needs voxels and has none is NaN.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medclean.volume import Mask

FAR = 95  # percentile
FIGURES = {  # which values are better, and the unit
    "dice": ("higher", "1"),
    "hausdorff": ("lower", "mm"),
    "hausdorff-95": ("lower", "mm"),
    "surface-distance": ("lower", "mm"),
    "volume-error": ("zero", "%"),
}


class Distances(NamedTuple):
    """Between two surfaces, in mm; all NaN where one of the masks is empty.

    Attributes:
        hausdorff: The greatest distance of a point of one to the other (Huttenlocher et al., 1993).
        hausdorff_95: The 95th percentile in its place, of each of the two ways; the greater.
        mean: Of all points of both.
    """

    hausdorff: float
    hausdorff_95: float
    mean: float


def figures(
    result: Mask, reference: Mask, *, spacing: tuple[float, ...] | None = None
) -> dict[str, float]:
    """All of ``FIGURES`` of two masks."""
    distances = surface_distances(result, reference, spacing=spacing)
    values = (dice(result, reference), *distances, volume_error(result, reference))
    return dict(zip(FIGURES, values, strict=True))


def dice(result: Mask, reference: Mask) -> float:
    """``2 |A and B| / (|A| + |B|)`` (Dice, 1945): 0 to 1, higher is better; NaN for both empty."""
    total = int(result.sum()) + int(reference.sum())
    return 2 * int((result & reference).sum()) / total if total else float("nan")


def volume_error(result: Mask, reference: Mask) -> float:
    """``100 (V(result) / V(reference) - 1)`` in %; NaN where the reference is empty."""
    known = int(reference.sum())
    return 100 * (int(result.sum()) / known - 1) if known else float("nan")


def surface_distances(
    result: Mask, reference: Mask, *, spacing: tuple[float, ...] | None = None
) -> Distances:
    """How far the surfaces of two masks lie from each other; lower is better.

    Args:
        result: A mask.
        reference: Of the same shape.
        spacing: Of the axes, in mm; 1 if not given.
    """
    if not (result.any() and reference.any()):
        return Distances(*[float("nan")] * 3)
    # An axis of one voxel has no depth: looked at along it, all of a slice would be surface.
    flat = [axis for axis, length in enumerate(result.shape) if length == 1]
    result, reference = result.squeeze(), reference.squeeze()
    spacing = tuple(np.delete(spacing, flat)) if spacing else None
    box = _box(result | reference)
    surfaces = [_surface(mask[box]) for mask in (result, reference)]
    ways = [
        ndimage.distance_transform_edt(~other, sampling=spacing)[one]
        for one, other in (surfaces, surfaces[::-1])
    ]
    return Distances(
        hausdorff=float(max(way.max() for way in ways)),
        hausdorff_95=float(max(np.percentile(way, FAR) for way in ways)),
        mean=float(np.concatenate(ways).mean()),
    )


def _surface(mask: Mask) -> Mask:
    inner: NDArray[np.bool_] = ndimage.binary_erosion(mask)
    return mask & ~inner


def _box(mask: Mask) -> tuple[slice, ...]:
    """The smallest part of an image that holds all of a mask: outside, nothing is looked at."""
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    return tuple(box)
