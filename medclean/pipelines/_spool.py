"""Stacks on the disk, in real-world units, so that any slice of any size of series is at hand."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from medclean.archive import formats
from medclean.archive.series import Series
from medclean.archive.workers import Workers
from medclean.files import cannot_write
from medclean.inference.statistics import Summary, statistics, summarise, together
from medclean.pipelines._cases import Case
from medclean.pipelines._pairs import Turn
from medclean.signals import Stop
from medclean.volume import CT_SCALE, Image, Mask

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Stack:
    """A stack of slices in a file; can be pickled.

    Attributes:
        path: Of its values; those that are no part of the image are marked in the file beside it.
        shape: As stored.
        turn: How it is laid onto the grid of its reference.
        padded: Whether anything is marked.
        least: Of its values that are part of the image.
        most: Likewise.
    """

    path: Path
    shape: Shape
    turn: Turn = field(default_factory=Turn)
    padded: bool = False
    least: float = 0.0
    most: float = 0.0

    @property
    def values(self) -> Image:
        """All of them, on the grid of the reference; read as they are used."""
        return self.turn(self._mapped(self.path, np.float32, 0, self.shape[0]))

    def part(self, places: range) -> Image:
        """Some slices of the grid of the reference: no more is mapped, if they lie together."""
        return self._part(self.path, np.float32, places)

    def padding(self, places: range) -> Mask | None:
        """True where a voxel of these is no part of the image; None where all voxels are."""
        return self._part(_marks(self.path), np.bool_, places) if self.padded else None

    def _part(self, path: Path, kind: type[np.generic], places: range) -> "np.ndarray[Any, Any]":
        if self.turn.axes[0] != 0:
            return self.turn(self._mapped(path, kind, 0, self.shape[0]))[_slice(places)]
        backwards = self.turn.backwards[0]
        start = self.shape[0] - places.stop if backwards else places.start
        return self.turn(self._mapped(path, kind, start, len(places)))

    def _mapped(
        self, path: Path, kind: type[np.generic], start: int, count: int
    ) -> "np.ndarray[Any, Any]":
        _, rows, columns = self.shape
        offset = start * rows * columns * np.dtype(kind).itemsize
        return np.memmap(path, kind, "r", offset, (count, rows, columns))


def _slice(places: range) -> slice:
    return slice(places.start, places.stop)


class Spooled(NamedTuple):
    """Stacks of a series by index of their group, and what "1" means to its relative figures."""

    stacks: dict[int, Stack]
    scale: float


class _Place(NamedTuple):
    """Where an image of a file goes: which file, and the how-manieth slice there."""

    number: int
    path: Path
    slice: int


class _Found(NamedTuple):
    """What a file of a series holds: for the scale, and for each group padding and extremes."""

    summary: Summary
    groups: dict[Path, tuple[bool, float, float]]


def spool(series: Series, case: Case, folder: Path, workers: Workers, stop: Stop) -> Spooled:
    """Put all groups of a series into a folder.

    Args:
        series: Of ``case``.
        case: Any of its cases.
        folder: Of its own.
        workers: Read the files.
        stop: Asked between files.

    Raises:
        DataError: A file cannot be read; the message names its path.
    """
    folder.mkdir()
    paths = [folder / f"{number}.f32" for number in range(len(series.groups))]
    places: dict[int, list[_Place]] = {n: [] for n in range(len(series.instances))}
    voxels = 0
    for path, group in zip(paths, series.groups, strict=True):
        size = len(group.frames) * group.shape[0] * group.shape[1]
        voxels += size
        for file, bytes_ in ((path, 4 * size), (_marks(path), size)):
            with open(file, "wb") as made:
                made.truncate(bytes_)  # takes no room until it is written
        for place, frame in enumerate(group.frames):
            places[frame.instance].append(_Place(frame.number, path, place))
    total = 0 if series.modality == "CT" else voxels  # whose scale is no percentile
    look = partial(_read, case.root, total)
    whole = Summary(0, np.empty(0, np.float32), ())
    known: dict[Path, list[tuple[bool, float, float]]] = {path: [] for path in paths}
    tasks = ((series.alone(n), wanted) for n, wanted in places.items() if wanted)
    for _, task in workers.map(look, tasks):
        stop.check()
        found = task.result()
        whole = together(whole, found.summary, total=total)
        for path, extremes in found.groups.items():
            known[path].append(extremes)
    stacks = {}
    for number, (path, group) in enumerate(zip(paths, series.groups, strict=True)):
        padded, least, most = zip(*known[path], strict=True)
        shape = (len(group.frames), *group.shape)
        stacks[number] = Stack(path, shape, Turn(), any(padded), min(least), max(most))
    scale = CT_SCALE if series.modality == "CT" else statistics(whole, series.modality).scale
    return Spooled(stacks, scale)


def _read(root: Path, total: int, task: tuple[Series, list[_Place]]) -> _Found:
    """Read the only file of a series and put its images where they belong; runs in a worker."""
    series, places = task
    pixels = formats.read(root, series, 0)
    summary = Summary(0, np.empty(0, np.float32), ())
    groups: dict[Path, tuple[bool, float, float]] = {}
    for place in places:
        frame = pixels.frame(place.number)
        image, padding = frame.real[0], frame.padding[0]
        for path, content in ((place.path, image), (_marks(place.path), padding)):
            if content.any():
                _put(path, place.slice, content)
        summary = together(
            summary, summarise(frame.real, frame.padding, total=total, noise=False), total=total
        )
        inside = image[~padding] if padding.any() and not padding.all() else image
        before = groups.get(place.path, (False, np.inf, -np.inf))
        groups[place.path] = (
            before[0] or bool(padding.any()),
            min(before[1], float(inside.min())),
            max(before[2], float(inside.max())),
        )
    return _Found(summary, groups)


def _put(path: Path, place: int, content: "np.ndarray[Any, Any]") -> None:
    waits = f"{path.parent}, where images wait to be measured, in what TMPDIR names"
    with cannot_write(waits), open(path, "r+b") as file:
        file.seek(place * content.nbytes)
        file.write(np.ascontiguousarray(content).data)


def _marks(path: Path) -> Path:
    return path.with_suffix(".padding")


def chunks(count: int, size: int) -> Iterator[range]:
    """Numbers up to a count, so many at a time."""
    return (range(start, min(start + size, count)) for start in range(0, count, size))
