"""Which images of a series belong together, in what order, and where in the patient they lie."""

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from medclean.archive.dicom import mosaic, stacks
from medclean.archive.dicom.frames import Image
from medclean.archive.dicom.headers import Header
from medclean.archive.dicom.places import SAME_PLACE, Member, Stack, affine_of, height, normal_of
from medclean.archive.dicom.volumes import volumes
from medclean.archive.gaps import UNEVEN
from medclean.archive.series import Frame, Group, Instance

GAPS = "{} slice{s} missing ({}), as gaps in an even stack show; none is taken for a neighbour"
NAMED = 5  # gaps; of a series with more, something else is wrong
SHEARED = "its slices move aside as they follow each other, as with a tilted gantry"
PASSED = "{} frames of other kinds go through unchanged"
PASSED_ONE = "1 frame of another kind goes through unchanged"
LONE = "{} images lie where others do, and nothing tells their order; each is one by itself"
LONE_ONE = "1 image lies where another does, and nothing tells their order; it is one by itself"
PATIENTS = "its files name several patients; none is taken for another's neighbour"


class Part(NamedTuple):
    """What lies together of a stack.

    Attributes:
        stack: Without a gap.
        first: Place of its first member in the whole, from 1.
        places: Of the whole, those that are missing among them.
    """

    stack: Stack
    first: int
    places: int


def groups(
    instances: Sequence[Instance], headers: Sequence[Header]
) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """All frames of a series that are computed, each in one group; and what is odd about them.

    Images of one group have the same patient, shape, orientation, spacing, contrast and type, and
    lie at different positions of one stack, without a gap; or they are a cine, at one position and
    in order of time. The frames of one file are apart from those of others, unless it has one only
    or is a part of a concatenation. What has no position, a fault, or a SOP Instance UID that
    occurred before, is a group by itself. Where the header shows the fault its shape is (0, 0), and
    it has its place in a stack all the same, and parts what lies on either side.

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
    gaps: list[tuple[int, str]] = []
    broken = frozenset(index for index, header in enumerate(headers) if header.broken)
    together = [volumes(alike) for alike in members.values()]
    for stack in (stack for kind in together for stack in kind.stacks):
        parts, odd = _even(stack)
        for part in (whole for even in parts for whole in _whole(even, broken)):
            first = part.stack[0].frame.instance
            found.append(_group(part, instances[first], headers[first]))
            notes |= set() if found[-1].even else {UNEVEN}
        gaps += _gaps(parts)
        notes |= odd
    passed_on = sum(len(instance.passed) for instance in instances if not instance.tiles)
    lone = sum(kind.lone for kind in together)
    notes |= {_named(gaps)} if gaps else set()
    notes |= {LONE_ONE if lone == 1 else LONE.format(lone)} if lone else set()
    notes |= {PASSED_ONE if passed_on == 1 else PASSED.format(passed_on)} if passed_on else set()
    notes |= {PATIENTS} if len({header.patient for header in headers}) > 1 else set()
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
        repetition=header.repetition,
        time=(*header.time, (header.instance_number or 0,)),
        moment=header.time[0] or None,
        acquisition=header.acquisition,
        trigger=header.trigger,
    )
    if instance.tiles:
        return mosaic.images_of(image, instance.tiles, (header.rows, header.columns))
    return (image,) * instance.frames


def _apart(index: int, instance: Instance, header: Header, image: Image) -> tuple[Hashable, ...]:
    """What keeps the frames of a file from those of others; nothing where they may meet."""
    again = instance.occurrence and instance.uid
    if again or normal_of(image) is None:
        return ("file", index)
    if header.concatenation:
        return ("concatenation", header.concatenation)
    return ("file", index) if instance.frames > 1 else ()


def _key(header: Header, image: Image) -> tuple[Hashable, ...]:
    """What all images of a stack have in common."""
    return (
        *(header.rows, header.columns, header.sop_class, header.patient),
        *(image.type, image.component),
        _rounded(image.orientation, 3),
        _rounded(image.spacing, 4),
        image.contrast,
    )


def _rounded(values: Iterable[float] | None, digits: int) -> tuple[float, ...]:
    return tuple(round(value, digits) + 0.0 for value in values or ())


def _even(stack: Stack) -> tuple[list[Part], set[str]]:
    """A stack without gaps, or its parts; and what is odd about it."""
    normal = normal_of(stack[0].image)
    heights = [height(member.image) for member in stack]
    if normal is None or len(stack) == 1 or heights[-1] - heights[0] <= SAME_PLACE:
        return [Part(stack, 1, len(stack))], set()
    gaps = stacks.missing(heights)
    ends = [0, *(place + 1 for place in sorted(gaps)), len(stack)]
    places = np.array([member.image.position for member in stack], float)
    odd = {SHEARED} if stacks.sheared(places, normal) else set()
    parts, absent = [], 0
    for start, end in pairwise(ends):
        absent += gaps.get(start - 1, 0)
        parts.append(Part(stack[start:end], start + absent + 1, len(stack) + sum(gaps.values())))
    return parts, odd


def _gaps(parts: Sequence[Part]) -> Iterator[tuple[int, str]]:
    """How many slices are missing between the parts of a stack, and which."""
    for before, after in pairwise(parts):
        first, last = before.first + len(before.stack), after.first - 1
        which = f"place {first}" if first == last else f"places {first} to {last}"
        yield last - first + 1, f"{which} of {after.places}"


def _named(gaps: Sequence[tuple[int, str]]) -> str:
    """What is said of all gaps of a series."""
    absent = sum(count for count, _ in gaps)
    more = ["and others"] if len(gaps) > NAMED else []
    named = ", ".join([*(which for _, which in gaps[:NAMED]), *more])
    return GAPS.format(absent, named, s="s"[: absent != 1])


def _whole(part: Part, broken: Collection[int]) -> Iterator[Part]:
    """What lies together of a part, of images of other files than the broken ones; and those."""

    def which(place: tuple[int, Member]) -> int | None:
        instance = place[1].frame.instance
        return instance if instance in broken else None

    for _, places in groupby(enumerate(part.stack, part.first), which):
        numbers, members = zip(*places, strict=True)
        yield Part([*members], numbers[0], part.places)


def _group(part: Part, instance: Instance, header: Header) -> Group:
    stack = [member.image for member in part.stack]
    affine = affine_of(stack)
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    parts = mosaic.side(instance.tiles) if instance.tiles else 1
    shape = (header.rows // parts, header.columns // parts)
    heights = [height(image) for image in stack]
    in_time = len(stack) > 1 and heights[-1] - heights[0] <= SAME_PLACE
    return Group(
        tuple(member.frame for member in part.stack),
        (0, 0) if header.broken else shape,
        tuple(tuple(map(float, row)) for row in affine),
        (float(lengths[0]), float(lengths[1]), float(lengths[2])),
        in_time=in_time,
        first=part.first,
        places=part.places,
        even=in_time or not stacks.uneven(heights),
    )
