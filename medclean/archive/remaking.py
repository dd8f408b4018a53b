"""Files that are read, changed and made anew by one process, image by image."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

from medclean.archive import formats
from medclean.archive.derivation import Role, Written
from medclean.archive.numbers import Pixels, Stored, Storing
from medclean.archive.series import Series
from medclean.files import write_parts
from medclean.volume import Image

Figures: TypeAlias = Callable[[Pixels, Stored, str], Mapping[str, Any] | None]
"""What a file adds to the figures of its series: see ``Change.figures``."""

_DISKS = 4  # files that a process waits for at once until they are on the disk
_WAITING = 1 << 26  # bytes that wait with them


class Place(NamedTuple):
    """Where an image lies: index of its group, place in it, and the group's spacing in mm."""

    group: int
    place: int
    spacing: tuple[float, float, float]


@dataclass(frozen=True)
class Task:
    """One file.

    Attributes:
        series: Its series, ``alone``.
        plans: What the format needs to write it for each role, ``alone`` too.
        to: For each role the name of the output, and where it is staged.
        places: Of its images that are to be changed, by number.
    """

    series: Series
    plans: Mapping[Role, Any]
    to: Mapping[Role, tuple[str, Path]]
    places: Mapping[int, Place]


class Change(Protocol):
    """What is done to each image; goes to worker processes."""

    def image(self, pixels: Pixels, number: int, series: Series, place: Place) -> Image:
        """An image ``(rows, columns)``, in the series' unit, in place of another.

        Args:
            pixels: What it is made of, alone.
            number: Of the image in its file.
            series: Of the file, ``alone``.
            place: Where it lies.
        """

    def figures(self, before: Pixels, stored: Stored, modality: str) -> Mapping[str, Any] | None:
        """What a file adds to the figures of its series, fit for JSON; None where nothing.

        Args:
            before: What it was made of.
            stored: Its new pixels.
            modality: Of the series.
        """


def remake(
    tell: Callable[[int | tuple[str, Written]], object],
    root: Path,
    change: Change,
    tasks: Sequence[Task],
) -> None:
    """Do some tasks; runs in a worker process.

    The next file is computed while those before go to the disk.

    Args:
        tell: Called with each number of images that were changed since, and with the name of each
            output that is on the disk and what became of it.
        root: What the paths of the series are relative to.
        change: What is done to each image.
        tasks: One after the other.

    Raises:
        DataError: A file cannot be read, or not be written as asked.
        WriteError: A file cannot be written.
    """
    writing: deque[tuple[str, Written, Future[None]]] = deque()

    def settle(most: int) -> None:
        while len(writing) > most:
            name, written, done = writing.popleft()
            done.result()
            tell((name, written))

    with ThreadPoolExecutor(_DISKS, "medclean-disk") as disks:
        try:
            for task in tasks:
                made = list(_remade(tell, root, change, task))
                settle(_DISKS if sum(w.bytes for _, w, _ in writing) < _WAITING else 0)
                for (name, to), parts, written in made:
                    writing.append((name, written, disks.submit(write_parts, to, parts)))
                del made, parts  # may be large
        finally:
            settle(0)


def _remade(
    tell: Callable[[int], object], root: Path, change: Change, task: Task
) -> Iterator[tuple[tuple[str, Path], Sequence[bytes | memoryview], Written]]:
    """What is made of a file: where it goes, its content, and what becomes of it."""
    images: list[tuple[Pixels, Stored]] = []

    def changed(pixels: Pixels) -> Stored:
        storing = Storing(pixels)
        for number, place in task.places.items():
            storing.put(number, change.image(pixels.frame(number), number, task.series, place))
            tell(1)
        images.append((pixels, storing.stored))
        return storing.stored

    for role, made in formats.remade(root, task.series, 0, changed, task.plans).items():
        written = made.written
        if role == "image":
            figures = change.figures(*images[0], task.series.modality)
            written = replace(written, figures=figures)
        yield task.to[role], made.parts, written
