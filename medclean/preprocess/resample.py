"""Other voxels for a volume: cubic B-splines (Unser 1999), and crops, with affines that stay right.

The new grid has the axes of the old one and the same centre, so that each axis is resampled by
itself, which is a product with a matrix. Where voxels grow, the image is first blurred to them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medclean.errors import DataError
from medclean.preprocess.stack import Affine, Stack, spacing_of
from medclean.volume import Image

SHEAR = 0.01  # mm that slices may move aside a mm of height: half a degree
THINNER = 1.5  # times thinner slices than were measured are an invention
NEGLIGIBLE = 1e-6  # weight of a slice
PIXEL = 0.5  # standard deviation of the blur that a voxel is, in voxels


@dataclass(frozen=True, eq=False)
class Resampled:
    """A volume on a grid of other spacing.

    Attributes:
        source: What it is made of.
        spacing: Of slices, rows and columns, in mm; None leaves an axis as it is.
    """

    source: Stack
    spacing: tuple[float | None, float | None, float | None]

    @cached_property
    def steps(self) -> tuple[float, float, float]:
        """New spacing by old, of slices, rows and columns."""
        pairs = zip(self.spacing, spacing_of(self.source.affine), strict=True)
        slices, rows, columns = (new / old if new else 1.0 for new, old in pairs)
        return slices, rows, columns

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns: about the same field of view."""
        sides = zip(self.source.shape, self.steps, strict=True)
        slices, rows, columns = (max(1, round(side / step)) for side, step in sides)
        return slices, rows, columns

    @cached_property
    def affine(self) -> Affine:
        """The new one, whose centre is the old one's."""
        old, new = (np.array(shape) for shape in (self.source.shape, self.shape))
        change = np.diag([*self.steps, 1.0])
        change[:3, 3] = (old - 1) / 2 - np.array(self.steps) * (new - 1) / 2
        return self.source.affine @ change

    def slab(self, start: int, stop: int) -> Image:
        """No value lies outside those of the slices that it is made of: splines ring."""
        across, down, along = self._matrices
        near = np.flatnonzero(np.abs(across[start:stop]).max(axis=0) > NEGLIGIBLE)
        first, last = int(near[0]), int(near[-1]) + 1
        weights = across[start:stop, first:last]
        images = self.source.slab(first, last)
        low, high = (f(axis=(1, 2)) for f in (images.min, images.max))
        mixed = np.tensordot(weights, images, 1) if self.steps[0] != 1 else images
        out = np.empty((stop - start, *self.shape[1:]), np.float32)
        for place, image in enumerate(mixed):
            used = np.abs(weights[place]) > NEGLIGIBLE
            out[place] = np.clip(down @ image @ along.T, low[used].min(), high[used].max())
        return out

    @cached_property
    def _matrices(self) -> tuple[Image, Image, Image]:
        sides = zip(self.source.shape, self.shape, self.steps, strict=True)
        across, down, along = (_matrix(*side) for side in sides)
        return across, down, along


@dataclass(frozen=True, eq=False)
class Cropped:
    """A window of all slices; where it reaches beyond the image it shows ``fill``.

    Attributes:
        source: What it is made of.
        top: First row, which may be negative.
        left: First column, likewise.
        size: Rows and columns.
        fill: In the unit of the image.
    """

    source: Stack
    top: int
    left: int
    size: int
    fill: float

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.source.shape[0], self.size, self.size

    @property
    def affine(self) -> Affine:
        moved = np.eye(4)
        moved[1:3, 3] = self.top, self.left
        return self.source.affine @ moved

    def slab(self, start: int, stop: int) -> Image:
        out = np.full((stop - start, self.size, self.size), self.fill, np.float32)
        _, rows, columns = self.source.shape
        top, left = max(self.top, 0), max(self.left, 0)
        bottom, right = min(self.top + self.size, rows), min(self.left + self.size, columns)
        inside = (
            slice(top - self.top, bottom - self.top),
            slice(left - self.left, right - self.left),
        )
        out[:, *inside] = self.source.slab(start, stop)[:, top:bottom, left:right]
        return out


def isotropic(source: Stack, side: float, *, force: bool = False) -> Resampled:
    """A volume of cubic voxels.

    Args:
        source: What it is made of.
        side: In mm.
        force: Make slices that are much thinner than those that were measured, too.

    Raises:
        DataError: It would need them; or the slices do not lie at right angles to their stack, as
            with a tilted gantry, and each axis is resampled by itself.
    """
    if _aside(source.affine) > SHEAR:
        raise DataError(
            "its slices move aside as they follow each other, as with a tilted gantry, and "
            "--isotropic would make voxels of it that are no cubes; resample in plane with "
            "--resample, or straighten it first"
        )
    measured = spacing_of(source.affine)[0]
    if measured > THINNER * side and not force:
        raise DataError(
            f"its slices lie {measured:.3g} mm apart, and --isotropic {side:g} would invent "
            f"{measured / side:.1f} for each: take {measured / THINNER:.2g} mm or more, or "
            "resample in plane with --resample, or say --force"
        )
    return Resampled(source, (side, side, side))


def window_about(
    body: tuple[int, int, int, int], shape: tuple[int, int], size: int
) -> tuple[int, int]:
    """First row and column of a window about a body, inside the image as far as that is larger.

    Args:
        body: First row, first column, last row and last column of it.
        shape: Rows and columns of the image.
        size: Rows and columns of the window.
    """
    top, left = (
        _start((first + last + 1 - size) // 2, side - size)
        for first, last, side in zip(body[:2], body[2:], shape, strict=True)
    )
    return top, left


def sampler(length: int, places: NDArray[np.floating]) -> NDArray[np.float64]:
    """The matrix ``(places, length)`` that takes samples to values of their cubic spline.

    Args:
        length: How many samples there are.
        places: Where values are wanted, in samples; beyond the ends the end's.
    """
    if length == 1:
        return np.ones((len(places), 1))
    inside = np.clip(places, 0, length - 1)
    grid = np.meshgrid(inside, np.arange(length), indexing="ij")
    return ndimage.map_coordinates(np.eye(length), grid, order=3, mode="mirror")


def _aside(affine: Affine) -> float:
    """How far a slice lies aside of the one before it, as a share of how far above."""
    step, down, along = affine[:3, :3].T
    normal = np.cross(down, along)
    height = float(step @ normal / np.linalg.norm(normal))
    return float(np.sqrt(max(step @ step - height**2, 0.0))) / abs(height)


def _matrix(old: int, new: int, step: float) -> Image:
    places = (np.arange(new) - (new - 1) / 2) * step + (old - 1) / 2
    matrix = sampler(old, places)
    if step > 1:
        blur = PIXEL * float(np.sqrt(step**2 - 1))
        matrix = matrix @ ndimage.gaussian_filter1d(np.eye(old), blur, axis=0, mode="mirror")
    return matrix.astype(np.float32)


def _start(wanted: int, most: int) -> int:
    """A first row that keeps the window inside; centred where the image is smaller."""
    return most // 2 if most < 0 else min(max(wanted, 0), most)
