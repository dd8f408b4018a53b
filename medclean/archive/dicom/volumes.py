"""Which images of one kind are computed together: as a volume, or as a cine."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from medclean.archive.dicom.frames import Image
from medclean.archive.dicom.places import Stack, Vector, aside, by_place, normal_of

ASIDE = 1.0  # mm in the plane
JITTER = 0.01  # of a repetition time, by which that of the next contrast is longer at least


class Volumes(NamedTuple):
    """Of images that have all in common but position and times.

    Attributes:
        stacks: Each in order of position; or, as a cine at one position, of time.
        lone: How many are one image only because nothing tells which of those at its position
            belongs to which volume.
    """

    stacks: list[Stack]
    lone: int = 0


# What may tell the volumes of a series apart: temporal position, frame reference time (of PET), the
# time of acquisition, and its number, which may be 0.
_MOMENTS: tuple[Callable[[Image], Any], ...] = (
    lambda image: image.moment,
    lambda image: image.time[2],
    lambda image: image.time[3],
    lambda image: None if image.acquisition is None else (image.acquisition,),
)


def volumes(alike: Stack) -> Volumes:
    """Volumes, or cines, out of images of one kind.

    Args:
        alike: In the order of their files.
    """
    stacks: list[Stack] = []
    lone = 0
    for contrast in _by_repetition(alike):
        if normal_of(contrast[0].image) is None:
            stacks.append(contrast)
            continue
        for found in (_volumes(by_place(station)) for station in _stations(contrast)):
            stacks += found.stacks
            lone += found.lone
    return Volumes(stacks, lone)


def _by_repetition(alike: Stack) -> list[Stack]:
    """Images apart by their repetition time, which is another contrast; not by its jitter.

    Where each position has a time of its own, it is the heart that sets it, and it tells nothing.
    """
    times = dict.fromkeys(member.image.repetition for member in alike)
    places = by_place(alike) if len(times) > 2 and normal_of(alike[0].image) is not None else []
    alone = all(len({member.image.repetition for member in place}) == 1 for place in places)
    if alone and len(times) > len(places) / 2 > 0:
        return [alike]
    contrasts: list[set[float | None]] = [{None}] if None in times else []
    for before, time in pairwise([-np.inf, *sorted(time for time in times if time is not None)]):
        if time - before <= JITTER * time:
            contrasts[-1].add(time)
        else:
            contrasts.append({time})
    return [[m for m in alike if m.image.repetition in contrast] for contrast in contrasts]


def _stations(alike: Stack) -> list[Stack]:
    """Images that lie beside one another in one plane belong to different stations of the table.

    Where no plane has two, all are of one, though they may move aside from plane to plane.
    """
    asides = [aside(member.image) for member in alike]
    places = {id(member): lies for member, lies in zip(alike, asides, strict=True)}
    planes = ([places[id(member)] for member in plane] for plane in by_place(alike))
    if all(np.ptp(plane, axis=0).max() <= ASIDE for plane in planes):
        return [alike]
    stations: list[tuple[Vector, Stack]] = []
    for member, lies in zip(alike, asides, strict=True):
        near = (found for at, found in stations if np.abs(lies - at).max() <= ASIDE)
        station = next(near, None)
        if station is None:
            stations.append((lies, [member]))
        else:
            station.append(member)
    return [station for _, station in stations]


def _volumes(places: list[Stack]) -> Volumes:
    """Images that may be computed together, of those at each position.

    Images at one position are a cine if they have different trigger times, or if there is only one
    position. Else those of one moment make a volume, if something tells the moments apart; or the
    k-th in time of each position the k-th volume, if every position has as many, and they have an
    order. Of positions that have one each but for a few, the first are a volume. Where nothing
    tells, each is by itself.
    """
    counts = [len(place) for place in places]
    most = max(counts)
    if most == 1:
        return Volumes([[place[0] for place in places]])
    triggers = {member.image.trigger for member in max(places, key=len)}
    if len(places) == 1 or len(triggers) > 1:
        return Volumes(places)
    for moment in _MOMENTS:
        by_moment: dict[Any, Stack] = {}
        for member in (member for place in places for member in place):
            by_moment.setdefault(moment(member.image), []).append(member)
        told = [{moment(member.image) for member in place} for place in places]
        apart = all(len(found) == count for found, count in zip(told, counts, strict=True))
        if apart and len(by_moment) == most and not {None, 0.0, ""} & by_moment.keys():
            return Volumes([by_moment[when] for when in sorted(by_moment)])
    if min(counts) == most and all(map(_in_order, places)):
        return Volumes([[place[k] for place in places] for k in range(most)])
    once = np.median(counts) == 1
    first = [[place[0] for place in places]] if once else []
    others = [[member] for place in places for member in place[int(once) :]]
    return Volumes([*first, *others], len(others))


def _in_order(place: Stack) -> bool:
    """Whether images of one position have an order: by time, by number, or as frames of a file."""
    one_file = len({member.frame.instance for member in place}) == 1
    return one_file or len({member.image.time for member in place}) == len(place)
