"""Which images of a series belong together, in what order, and where in the patient they lie."""

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from medclean.archive.dicom.headers import Header
from medclean.archive.series import Frame, Group, Instance

Vector = NDArray[np.float64]
Member = tuple[int, Header]  # index in the series' instances

SAME_PLACE = 0.01  # mm along the normal


def groups(instances: Sequence[Instance], headers: Sequence[Header]) -> tuple[Group, ...]:
    """All frames of a series, each in one group.

    Images of one group have the same shape, orientation, spacing, contrast and type, and lie at
    different positions of one stack; or they are a cine, at one position and in order of time.
    What has no position, more than one frame, a fault, or a SOP Instance UID that occurred before,
    is a group by itself; its shape is (0, 0) where the header shows the fault.

    Args:
        instances: Files of a series.
        headers: Theirs, in the same order.
    """
    members: dict[Hashable, list[Member]] = {}
    for index, (instance, header) in enumerate(zip(instances, headers, strict=True)):
        key = _key(header) if _stacks(instance, header) else index
        members.setdefault(key, []).append((index, header))
    stacks = [stack for alike in members.values() for stack in _stacked(alike)]
    return tuple(_group(stack, instances) for stack in stacks)


def normal_of(header: Header) -> Vector | None:
    """Unit normal of the image plane; None where the header states none that is one."""
    if header.orientation is None or header.position is None:
        return None
    normal = np.cross(header.orientation[:3], header.orientation[3:])
    length = np.linalg.norm(normal)
    return normal / length if length > 0.5 else None  # of unit vectors, at right angles, it is 1


def _stacks(instance: Instance, header: Header) -> bool:
    alone = instance.frames > 1 or (instance.occurrence and instance.uid) or header.broken
    return not alone and normal_of(header) is not None


def _key(header: Header) -> Hashable:
    """What all images of a stack have in common."""
    return (
        *(header.rows, header.columns, header.sop_class, header.image_type),
        _rounded(header.orientation, 3),
        _rounded(header.spacing, 4),
        header.contrast,
    )


def _rounded(values: Iterable[float] | None, digits: int) -> tuple[float, ...]:
    return tuple(round(value, digits) + 0.0 for value in values or ())


def _stacked(alike: list[Member]) -> list[list[Member]]:
    """Volumes, or cines, out of images that differ in position and time only.

    Images at one position are a cine if they have different trigger times, or if there is only one
    position. Else the k-th image in time of each position makes the k-th volume.
    """
    if normal_of(alike[0][1]) is None:
        return [alike]
    places = _places(alike)
    most = max(map(len, places))
    triggers = {header.trigger for _, header in max(places, key=len)}
    if most > 1 and (len(places) == 1 or len(triggers) > 1):
        return places
    return [[place[k] for place in places if k < len(place)] for k in range(most)]


def _places(alike: list[Member]) -> list[list[Member]]:
    """Images by position along the normal; those of one position in order of time."""
    heights = {index: _height(header) for index, header in alike}
    ordered = sorted(alike, key=lambda member: heights[member[0]])
    places: list[list[Member]] = []
    for member in ordered:
        if places and heights[member[0]] - heights[places[-1][0][0]] <= SAME_PLACE:
            places[-1].append(member)
        else:
            places.append([member])
    return [sorted(place, key=_in_time) for place in places]


def _in_time(member: Member) -> tuple[object, ...]:
    _, header = member
    return (header.time, header.instance_number or 0, header.path)


def _height(header: Header) -> float:
    normal = normal_of(header)
    return 0.0 if normal is None else float(np.dot(normal, header.position or (0, 0, 0)))


def _group(stack: list[Member], instances: Sequence[Instance]) -> Group:
    frames = tuple(
        Frame(index, number) for index, _ in stack for number in range(instances[index].frames)
    )
    first = stack[0][1]
    affine = affine_of([header for _, header in stack])
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return Group(
        frames,
        (0, 0) if first.broken else (first.rows, first.columns),
        tuple(tuple(map(float, row)) for row in affine),
        (float(lengths[0]), float(lengths[1]), float(lengths[2])),
    )


def affine_of(stack: Sequence[Header]) -> NDArray[np.float64]:
    """(slice, row, column, 1) to patient coordinates (LPS) in mm (PS3.3 C.7.6.2.1.1).

    Slices follow from the first position to the last, also where they are sheared, as by a tilted
    gantry. Where there is one position, the next slice would lie along the normal; where there is
    none, the axes are the patient's.

    Args:
        stack: Headers in order of position.
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
