"""Which images of a series belong together, in what order, and where in the patient they lie."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medclean.archive.dicom import mosaic, stacks
from medclean.archive.dicom.frames import Image
from medclean.archive.dicom.headers import Header
from medclean.archive.series import Frame, Group, Instance

Vector = NDArray[np.float64]

SAME_PLACE = 0.01  # mm along the normal
ASIDE = 1.0  # mm in the plane
GAPS = "{} slice{s} missing, as gaps in an even stack show; none is taken for a neighbour"
UNEVEN = "its slices lie at uneven distances"
SHEARED = "its slices move aside as they follow each other, as with a tilted gantry"
PASSED = "{} frames of other kinds go through unchanged"


class Member(NamedTuple):
    """A frame of a series with what is known of it."""

    frame: Frame
    image: Image


Stack = list[Member]

# What may tell the volumes of a series apart: temporal position, frame reference time (of PET), and
# the time of acquisition.
_MOMENTS: tuple[Callable[[Image], Any], ...] = (
    lambda image: image.moment,
    lambda image: image.time[2],
    lambda image: image.time[3],
)


def groups(
    instances: Sequence[Instance], headers: Sequence[Header]
) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """All frames of a series that are computed, each in one group; and what is odd about them.

    Images of one group have the same shape, orientation, spacing, contrast and type, and lie at
    different positions of one stack, without a gap; or they are a cine, at one position and in
    order of time. The frames of one file are apart from those of others, unless it has one only
    or is a part of a concatenation. What has no position, a fault, or a SOP Instance UID that
    occurred before, is a group by itself; its shape is (0, 0) where the header shows the fault.

    Args:
        instances: Files of a series.
        headers: Theirs, in the same order.
    """
    members: dict[Hashable, Stack] = {}
    for index, (instance, header) in enumerate(zip(instances, headers, strict=True)):
        passed = frozenset(instance.passed)
        for number, image in enumerate(images_of(header, instance)):
            if number not in passed:
                key = (*_apart(index, instance, header, image), *_key(header, image))
                members.setdefault(key, []).append(Member(Frame(index, number), image))
    found: list[Group] = []
    notes: set[str] = set()
    absent = 0
    for stack in (stack for alike in members.values() for stack in _stacked(alike)):
        parts, gone, odd = _even(stack)
        for part in parts:
            first = part[0].frame.instance
            found.append(_group(part, instances[first], headers[first]))
        absent += gone
        notes |= odd
    passed_on = sum(len(instance.passed) for instance in instances if not instance.tiles)
    notes |= {GAPS.format(absent, s="s"[: absent != 1])} if absent else set()
    notes |= {PASSED.format(passed_on)} if passed_on else set()
    return tuple(found), tuple(sorted(notes))


def images_of(header: Header, instance: Instance) -> tuple[Image, ...]:
    """What is known of each frame of a file: as many as it is believed to have."""
    if header.images:
        return header.images[: instance.frames]
    image = Image(
        type=header.image_type,
        component=header.component,
        position=header.position,
        orientation=header.orientation,
        spacing=header.spacing,
        gap=header.gap,
        contrast=header.contrast,
        time=(*header.time, (header.instance_number or 0,)),
        moment=header.time[0] or None,
        trigger=header.trigger,
    )
    if instance.tiles:
        return mosaic.images_of(image, instance.tiles, (header.rows, header.columns))
    return (image,) * instance.frames


def normal_of(image: Image) -> Vector | None:
    """Unit normal of the image plane; None where the header states none that is one."""
    if image.orientation is None or image.position is None:
        return None
    return _normal(image.orientation)


@lru_cache(maxsize=256)  # alike for all images of a stack, and asked for several times each
def _normal(orientation: tuple[float, ...]) -> Vector | None:
    normal = np.cross(orientation[:3], orientation[3:])
    length = np.linalg.norm(normal)
    return normal / length if length > 0.5 else None  # of unit vectors, at right angles, it is 1


def _apart(index: int, instance: Instance, header: Header, image: Image) -> tuple[Hashable, ...]:
    """What keeps the frames of a file from those of others; nothing where they may meet."""
    again = instance.occurrence and instance.uid
    if again or header.broken or normal_of(image) is None:
        return ("file", index)
    if header.concatenation:
        return ("concatenation", header.concatenation)
    return ("file", index) if instance.frames > 1 else ()


def _key(header: Header, image: Image) -> tuple[Hashable, ...]:
    """What all images of a stack have in common."""
    return (
        *(header.rows, header.columns, header.sop_class, image.type, image.component),
        _rounded(image.orientation, 3),
        _rounded(image.spacing, 4),
        image.contrast,
    )


def _rounded(values: Iterable[float] | None, digits: int) -> tuple[float, ...]:
    return tuple(round(value, digits) + 0.0 for value in values or ())


def _stacked(alike: Stack) -> list[Stack]:
    """Volumes, or cines, out of images that differ in position and time only."""
    if normal_of(alike[0].image) is None:
        return [alike]
    return [stack for station in _stations(alike) for stack in _volumes(_places(station))]


def _stations(alike: Stack) -> list[Stack]:
    """Images that lie beside one another in one plane belong to different stations of the table.

    Where no plane has two, all are of one, though they may move aside from plane to plane.
    """
    asides = [_aside(member.image) for member in alike]
    places = {id(member): aside for member, aside in zip(alike, asides, strict=True)}
    planes = ([places[id(member)] for member in plane] for plane in _places(alike))
    if all(np.ptp(plane, axis=0).max() <= ASIDE for plane in planes):
        return [alike]
    stations: list[tuple[Vector, Stack]] = []
    for member, aside in zip(alike, asides, strict=True):
        near = (found for at, found in stations if np.abs(aside - at).max() <= ASIDE)
        station = next(near, None)
        if station is None:
            stations.append((aside, [member]))
        else:
            station.append(member)
    return [station for _, station in stations]


def _volumes(places: list[Stack]) -> list[Stack]:
    """Images that may be computed together, of those at each position.

    Images at one position are a cine if they have different trigger times, or if there is only one
    position. Else those of one moment make a volume, if something tells the moments apart; or the
    k-th in time of each position the k-th volume, if every position has as many. Of positions that
    have one each but for a few, the first are a volume. Where nothing tells, each is by itself.
    """
    counts = [len(place) for place in places]
    most = max(counts)
    if most == 1:
        return [[place[0] for place in places]]
    triggers = {member.image.trigger for member in max(places, key=len)}
    if len(places) == 1 or len(triggers) > 1:
        return places
    for moment in _MOMENTS:
        by_moment: dict[Any, Stack] = {}
        for member in (member for place in places for member in place):
            by_moment.setdefault(moment(member.image), []).append(member)
        told = [{moment(member.image) for member in place} for place in places]
        apart = all(len(found) == count for found, count in zip(told, counts, strict=True))
        if apart and len(by_moment) == most and not {None, 0.0, ""} & by_moment.keys():
            return [by_moment[when] for when in sorted(by_moment)]
    if min(counts) == most:
        return [[place[k] for place in places] for k in range(most)]
    once = np.median(counts) == 1
    first = [[place[0] for place in places]] if once else []
    return [*first, *([member] for place in places for member in place[int(once) :])]


def _places(alike: Stack) -> list[Stack]:
    """Images by position along the normal; those of one position in order of time."""
    heights = [_height(member.image) for member in alike]
    places: list[Stack] = []
    last = -np.inf
    for index in np.argsort(heights, kind="stable"):
        if places and heights[index] - last <= SAME_PLACE:
            places[-1].append(alike[index])
        else:
            places.append([alike[index]])
            last = heights[index]
    return [sorted(place, key=_in_time) for place in places]


def _in_time(member: Member) -> tuple[object, ...]:
    return (member.image.time, member.frame.instance, member.frame.number)


def _aside(image: Image) -> Vector:
    """Where an image lies in its plane, along its rows and columns, in mm."""
    axes = np.array(image.orientation or (1, 0, 0, 0, 1, 0), float).reshape(2, 3)
    return axes @ np.array(image.position or (0, 0, 0), float)


def _height(image: Image) -> float:
    normal = normal_of(image)
    return 0.0 if normal is None else float(np.dot(normal, image.position or (0, 0, 0)))


def _even(stack: Stack) -> tuple[list[Stack], int, set[str]]:
    """A stack without gaps, or its parts; how many slices the gaps lack; and what is odd."""
    normal = normal_of(stack[0].image)
    heights = [_height(member.image) for member in stack]
    if normal is None or len(stack) == 1 or heights[-1] - heights[0] <= SAME_PLACE:
        return [stack], 0, set()
    gaps = stacks.missing(heights)
    ends = [0, *(place + 1 for place in sorted(gaps)), len(stack)]
    places = np.array([member.image.position for member in stack], float)
    odd = {UNEVEN} if stacks.uneven(heights) else set()
    odd |= {SHEARED} if stacks.sheared(places, normal) else set()
    return [stack[start:end] for start, end in pairwise(ends)], sum(gaps.values()), odd


def _group(stack: Stack, instance: Instance, header: Header) -> Group:
    affine = affine_of([member.image for member in stack])
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    parts = mosaic.side(instance.tiles) if instance.tiles else 1
    shape = (header.rows // parts, header.columns // parts)
    return Group(
        tuple(member.frame for member in stack),
        (0, 0) if header.broken else shape,
        tuple(tuple(map(float, row)) for row in affine),
        (float(lengths[0]), float(lengths[1]), float(lengths[2])),
        in_time=len(stack) > 1 and _height(stack[-1].image) - _height(stack[0].image) <= SAME_PLACE,
    )


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
