"""Where the images of a series lie in the patient: along the normal of their plane, and in it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medclean.archive.dicom.frames import Image
from medclean.archive.series import Frame

Vector = NDArray[np.float64]

SAME_PLACE = 0.01  # mm along the normal


class Member(NamedTuple):
    """A frame of a series with what is known of it."""

    frame: Frame
    image: Image


Stack = list[Member]


def normal_of(image: Image) -> Vector | None:
    """Unit normal of the image plane; None where the header states none that is one."""
    if image.orientation is None or image.position is None:
        return None
    return _normal(image.orientation)


def by_place(alike: Stack) -> list[Stack]:
    """Images by position along the normal; those of one position in order of time."""
    heights = [height(member.image) for member in alike]
    places: list[Stack] = []
    last = -np.inf
    for index in np.argsort(heights, kind="stable"):
        if places and heights[index] - last <= SAME_PLACE:
            places[-1].append(alike[index])
        else:
            places.append([alike[index]])
            last = heights[index]
    return [sorted(place, key=_in_time) for place in places]


def aside(image: Image) -> Vector:
    """Where an image lies in its plane, along its rows and columns, in mm."""
    axes = np.array(image.orientation or (1, 0, 0, 0, 1, 0), float).reshape(2, 3)
    return axes @ np.array(image.position or (0, 0, 0), float)


def height(image: Image) -> float:
    """Where an image lies along the normal of its plane, in mm."""
    normal = normal_of(image)
    return 0.0 if normal is None else float(np.dot(normal, image.position or (0, 0, 0)))


def affine_of(stack: Sequence[Image]) -> NDArray[np.float64]:
    """(slice, row, column, 1) to patient coordinates (LPS) in mm (PS3.3 C.7.6.2.1.1).

    Slices follow from the first position to the last, also where they are sheared, as by a tilted
    gantry. Where there is one position, the next slice would lie along the normal; where there is
    none, the axes are the patient's.

    Args:
        stack: Images in order of position.
    """
    first, last = stack[0], stack[-1]
    rows, columns = first.spacing or (1.0, 1.0)
    normal = normal_of(first)
    affine = np.eye(4)
    if normal is None or first.position is None or first.orientation is None:
        affine[:3, :3] = [[0, 0, columns], [0, rows, 0], [first.gap, 0, 0]]
        return affine
    between = (np.array(last.position) - first.position) / max(len(stack) - 1, 1)
    stands = np.linalg.norm(between) <= SAME_PLACE
    affine[:3, 0] = normal * first.gap if stands else between
    affine[:3, 1] = np.array(first.orientation[3:]) * rows
    affine[:3, 2] = np.array(first.orientation[:3]) * columns
    affine[:3, 3] = first.position
    return affine


@lru_cache(maxsize=256)  # alike for all images of a stack, and asked for several times each
def _normal(orientation: tuple[float, ...]) -> Vector | None:
    normal = np.cross(orientation[:3], orientation[3:])
    length = np.linalg.norm(normal)
    return normal / length if length > 0.5 else None  # of unit vectors, at right angles, it is 1


def _in_time(member: Member) -> tuple[object, ...]:
    return (member.image.time, member.frame.instance, member.frame.number)
