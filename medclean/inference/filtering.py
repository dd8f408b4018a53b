"""Files that are read, filtered and made anew by one process, image by image; needs no torch."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from medclean.archive import formats
from medclean.archive.derivation import Role, Written
from medclean.archive.numbers import Pixels, Stored, Storing
from medclean.archive.series import Series
from medclean.files import write_parts
from medclean.inference.batches import visible
from medclean.inference.measured import measured
from medclean.inference.statistics import Statistics
from medclean.models._filter import Filter
from medclean.volume import Given, Image

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
        places: Of its images that are to be filtered, by number.
    """

    series: Series
    plans: Mapping[Role, Any]
    to: Mapping[Role, tuple[str, Path]]
    places: Mapping[int, Place]


@dataclass(frozen=True)
class Filtering:
    """How the images of a series are filtered.

    Attributes:
        filter: What filters them.
        figures: Of the series.
        strength: Share of the change that is kept, 0 to 1.
        seed: Of the run.
    """

    filter: Filter
    figures: Statistics
    strength: float = 1.0
    seed: int = 0

    def of(self, image: Pixels, series: Series, place: Place) -> Image:
        """One image ``(1, rows, columns)`` filtered, in the series' unit."""
        given = Given(
            series.unit,
            self.figures.scale,
            place.spacing,
            series.modality,
            sigma=self.figures.sigma,
            rng=np.random.default_rng((self.seed, int(series.key, 16), place.group, place.place)),
        )
        noisy = visible(image.real[0], image.padding[0])[None]
        denoised = self.filter.denoise(noisy[None], given)[0].astype(np.float32, copy=False)
        if self.strength == 1.0:
            return denoised
        return noisy + np.float32(self.strength) * (denoised - noisy)


def filter_files(
    tell: Callable[[int | tuple[str, Written]], object],
    root: Path,
    how: Filtering,
    tasks: Sequence[Task],
) -> None:
    """Do some tasks; runs in a worker process.

    The next file is computed while those before go to the disk.

    Args:
        tell: Called with each number of images that were filtered since, and with the name of each
            output that is on the disk and what became of it.
        root: What the paths of the series are relative to.
        how: What is done to each image.
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
                change = _Change(tell, how, task)
                made = formats.remade(root, task.series, 0, change, task.plans)
                settle(_DISKS if sum(w.bytes for _, w, _ in writing) < _WAITING else 0)
                for role, (name, to) in task.to.items():
                    done = disks.submit(write_parts, to, made[role].parts)
                    written = made[role].written
                    if role == "image":
                        written = measured(written, *change.images, task.series.modality)
                    writing.append((name, written, done))
                del made, change  # may be large
        finally:
            settle(0)


class _Change:
    """Filters the images of a file one by one, and keeps it as it was and as it is."""

    def __init__(self, tell: Callable[[int], object], how: Filtering, task: Task) -> None:
        self._tell, self._how, self._task = tell, how, task
        self.images: tuple[Pixels, Stored]

    def __call__(self, pixels: Pixels) -> Stored:
        storing, task = Storing(pixels), self._task
        for number, place in task.places.items():
            storing.put(number, self._how.of(pixels.frame(number), task.series, place)[0])
            self._tell(1)
        self.images = pixels, storing.stored
        return storing.stored
