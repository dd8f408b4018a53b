"""What a segmentation says of its frames (PS3.3 C.8.20): where each lies, and of what it is.

Only planes on which a segment has voxels need be there. So they make no grid: one is found on which
they all lie, with empty planes between them, and it can be laid onto that of an image.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydicom.dataset import Dataset

from medclean.archive.limits import limits
from medclean.archive.series import Affine, Frame, Group
from medclean.errors import DataError

Vector: TypeAlias = NDArray[np.float64]

SAME_PLACE = 0.01  # mm
NEAR = 0.05  # of a step, by which planes may lie beside the grid
FINEST = 20  # parts of the least distance of planes that may be the step


@dataclass(frozen=True)
class Planes:
    """The distinct planes of a segmentation, in the order in which they lie.

    Attributes:
        shape: Rows and columns.
        origin: Of the first plane: LPS in mm.
        axes: Unit vectors along the slices, the rows' index and the columns' index.
        spacing: Of rows and columns, in mm.
        heights: Of each plane above the first, in mm.
        step: Of the grid on which they lie.
        frames: Of the file: the plane of each, and the number of its segment, 0 in a label map.
    """

    shape: tuple[int, int]
    origin: Vector
    axes: Vector
    spacing: tuple[float, float]
    heights: tuple[float, ...]
    step: float
    frames: tuple[tuple[int, int], ...]

    def group(self, heights: Sequence[float] | None = None) -> Group:
        """All planes on a grid.

        Args:
            heights: Of that grid above the first plane; the least one of all planes if not given.
        """
        if heights is None:
            count = round(self.heights[-1] / self.step) + 1
            heights = [number * self.step for number in range(count)]
        places = {
            int(np.abs(np.subtract(heights, h)).argmin()): n for n, h in enumerate(self.heights)
        }
        empty = len(self.heights)
        frames = tuple(Frame(0, places.get(place, empty)) for place in range(len(heights)))
        step = float(heights[1] - heights[0]) if len(heights) > 1 else self.step
        affine = np.eye(4)
        affine[:3, :3] = self.axes * (step, *self.spacing)
        affine[:3, 3] = self.origin + heights[0] * self.axes[:, 0]
        told: Affine = tuple(tuple(map(float, row)) for row in affine)
        return Group(frames, self.shape, told, (step, *self.spacing))


def planes_of(data: Dataset) -> Planes:
    """Read them from functional groups.

    Raises:
        DataError: There is no such place, or they make no grid.
    """
    shared = (data.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    frames = data.get("PerFrameFunctionalGroupsSequence") or []
    if not frames or len(frames) > limits().frames:
        raise DataError(f"a segmentation of {len(frames)} frames; expected 1 or more")

    def one(frame: Dataset, macro: str, keyword: str) -> ArrayLike:
        for level in (frame, shared):
            item = (level.get(macro) or [Dataset()])[0]
            if item.get(keyword) is not None:
                found: ArrayLike = item.get(keyword)
                return found
        raise DataError(f"a segmentation without {keyword}; expected one in patient coordinates")

    turns = [one(f, "PlaneOrientationSequence", "ImageOrientationPatient") for f in frames]
    turn = np.array(turns[0], float)
    if np.abs(np.array(turns, float) - turn).max() > 1e-4:
        raise DataError("a segmentation whose planes are turned against each other")
    columns, rows = turn[:3], turn[3:]
    axes = np.stack([np.cross(columns, rows), rows, columns], axis=1)
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-3):
        raise DataError("a segmentation whose rows and columns are no unit vectors")
    spacing = np.array(one(frames[0], "PixelMeasuresSequence", "PixelSpacing"), float)
    places = [one(f, "PlanePositionSequence", "ImagePositionPatient") for f in frames]
    positions = np.array(places, float)
    if not (np.isfinite(positions).all() and np.isfinite(spacing).all() and spacing.min() > 0):
        raise DataError("a segmentation whose places are no finite numbers")
    along = positions @ axes[:, 0]
    aside = positions - along[:, None] * axes[:, 0]
    if np.abs(aside - aside[0]).max() > NEAR * spacing.min():
        raise DataError("a segmentation whose planes do not lie straight above each other")
    first = float(along.min())
    heights = _distinct(along - first)
    measures = (shared, *frames[:1])
    stated = [_stated(level.get("PixelMeasuresSequence")) for level in measures]
    numbers = [_segment(frame) for frame in frames]
    plane = [int(np.abs(np.subtract(heights, h - first)).argmin()) for h in along]
    return Planes(
        shape=(int(data.Rows), int(data.Columns)),
        origin=positions[along.argmin()],
        axes=axes,
        spacing=(float(spacing[0]), float(spacing[1])),
        heights=heights,
        step=_step(heights, [width for width in stated if width]),
        frames=tuple(zip(plane, numbers, strict=True)),
    )


def laid_onto(planes: Planes, affine: Affine, shape: tuple[int, int, int]) -> Group | None:
    """All planes on the slices of an image; None where one lies on none of them.

    Args:
        planes: Whose rows and columns may lie otherwise: that is not looked at here.
        affine: Of the image: (slice, row, column, 1) to LPS in mm.
        shape: Of the image.
    """
    grid, normal = np.array(affine), planes.axes[:, 0]
    slopes = normal @ grid[:3, :3]
    axis = int(np.abs(slopes / np.linalg.norm(grid[:3, :3], axis=0)).argmax())
    step = abs(float(slopes[axis]))
    if abs(np.linalg.norm(grid[:3, axis]) - step) > NEAR * step / max(shape[axis], 1):
        return None  # sheared, or turned
    start = float(normal @ (grid[:3, 3] - planes.origin))
    start = min(start, start + float(slopes[axis]) * (shape[axis] - 1))
    places = (np.array(planes.heights) - start) / step
    if np.abs(places - np.rint(places)).max() > NEAR:
        return None
    if np.rint(places).min() < 0 or np.rint(places).max() >= shape[axis]:
        return None
    return planes.group([start + number * step for number in range(shape[axis])])


def joined(planes: Planes, others: Iterable[Planes]) -> Group | None:
    """The planes of a segmentation on a grid with slices for those of others, too.

    Those that lie elsewhere, or between its slices, are left aside; None where that leaves no grid.
    """
    heights = [*planes.heights]
    for other in others:
        shift = other.origin - planes.origin
        up = float(planes.axes[:, 0] @ shift)
        straight = np.linalg.norm(shift - up * planes.axes[:, 0]) <= NEAR * min(planes.spacing)
        if straight and np.abs(other.axes - planes.axes).max() < 1e-4:
            heights += [up + height for height in other.heights]
    first = min(heights)
    together = _distinct(np.array(heights) - first)
    try:
        step = _step(together, [planes.step])
    except DataError:
        return None
    return planes.group([first + n * step for n in range(round(together[-1] / step) + 1)])


def _distinct(heights: Vector) -> tuple[float, ...]:
    """From below to above, those at one place once."""
    order = np.sort(heights)
    return tuple(map(float, order[np.r_[True, np.diff(order) > SAME_PLACE]]))


def _step(heights: Sequence[float], stated: Sequence[float]) -> float:
    """The distance of planes that all lie a whole number of steps apart.

    Raises:
        DataError: There is none.
    """
    if len(heights) == 1:
        return stated[0] if stated else 1.0
    least = float(np.diff(heights).min())
    for step in (*stated, *(least / parts for parts in range(1, FINEST))):
        places = np.array(heights) / step
        even = np.abs(places - np.rint(places)).max() <= NEAR
        if even and step <= least + SAME_PLACE and places[-1] < limits().frames:
            return step
    raise DataError("a segmentation whose planes have uneven distances; expected those of a grid")


def _stated(measures: Sequence[Dataset] | None) -> float:
    """Spacing Between Slices, or Slice Thickness; 0 where neither is stated."""
    item = measures[0] if measures else Dataset()
    return float(item.get("SpacingBetweenSlices") or item.get("SliceThickness") or 0)


def _segment(frame: Dataset) -> int:
    item = (frame.get("SegmentIdentificationSequence") or [Dataset()])[0]
    return int(item.get("ReferencedSegmentNumber") or 0)
