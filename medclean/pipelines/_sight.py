"""What a page shows of a series, read by workers: before, after and removed, slice by slice."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from medclean.archive import formats
from medclean.archive.dicom.parse import NotAnImage, parse_header
from medclean.archive.series import Affine, Frame, Group, Series
from medclean.errors import DataError
from medclean.physics.signal.body import body_mask
from medclean.report.page import Slice
from medclean.report.pictures import Look
from medclean.report.upright import upright
from medclean.volume import Image, scale_of


class Spot(NamedTuple):
    """A place that a safety figure points to; of the whole frame where it has no row."""

    path: str
    frame: int
    row: int | None  # both, or none of them
    column: int | None
    note: str


class Place(NamedTuple):
    """Where a figure points to, in words, and which slice of those that are shown it is."""

    says: str = ""
    slice: int | None = None


@dataclass(frozen=True)
class Sight:
    """Where the images of a series lie, before and after.

    Attributes:
        root: What the paths of the source are relative to.
        series: The source, as a scan found it.
        outputs: Of each method the file that came of an input, by the input's name.
        reference: Folder of the truth, at the same relative paths.
        scale: What 1 means in the series, where the record says it.
        spots: Where to look first.
        identifiable: What identifies may be shown.
    """

    root: Path
    series: Series
    outputs: tuple[Mapping[str, Path], ...]
    reference: Path | None = None
    scale: float | None = None
    spots: tuple[Spot, ...] = ()
    identifiable: bool = False

    @property
    def shows_text(self) -> bool:
        """Whether it says that its pixels show text, or is of a kind that often does."""
        series = self.series
        often = {*series.kinds} & {"secondary", "other"}
        unknown = series.format == "dicom" and not series.modality
        return bool(series.subject.burned_in or often or unknown)

    @property
    def stack(self) -> Group:
        """The stack with most slices, which is the one to show."""
        return max(self.series.groups, key=lambda group: len(group.frames))

    def seen_at(self, row: int, column: int) -> tuple[int, int]:
        """Where a pixel of the file lies once slices are upright."""
        rows, columns = (np.arange(side) for side in self.stack.shape)
        across = upright(columns[None], self.stack.affine)
        down = upright(rows[:, None], self.stack.affine)
        return int(down[row, 0]), int(across[0, column])

    def scale_by(self, image: Image) -> float:
        """Of its series, or of what is at hand where nobody knows that."""
        return self.scale or scale_of(image, "")

    def place_of(self, spot: Spot) -> int | None:
        """Where in the stack a spot lies."""
        for place, frame in enumerate(self.stack.frames):
            if (self.series.instances[frame.instance].target, frame.number) == spot[:2]:
                return place
        return None

    def place(self, spot: Spot) -> Place:
        """A spot as a reader of the page sees it: slices in their order, and upright."""
        stack = self.stack
        if (place := self.place_of(spot)) is None:
            return Place("in a stack that is not shown" if len(self.series.groups) > 1 else "")
        said = f"slice {place + 1} of {len(stack.frames)}"
        if spot.row is not None and spot.column is not None:
            row, column = self.seen_at(spot.row, spot.column)
            said += f", row {row + 1}, column {column + 1}"
        return Place(said, place + 1)

    def tasks(
        self, places: list[int], look: Look | None, lines: "Lines | None"
    ) -> Iterator["Task"]:
        """What workers are to read, file by file."""
        frames = self.stack.frames
        for instance, found in groupby(places, lambda place: frames[place].instance):
            source = self.series.instances[instance]
            truth = self.reference / source.path if self.reference else None
            yield Task(
                root=self.root,
                series=self.series.alone(instance),
                frames=tuple((place, frames[place]) for place in found),
                after=tuple(of.get(source.name) for of in self.outputs),
                reference=truth if truth and truth.is_file() else None,
                affine=self.stack.affine,
                look=look,
                lines=lines,
            )


class Lines(NamedTuple):
    """Rows and columns of each slice of a volume, from which other directions are made."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]


class Task(NamedTuple):
    """Some images of one file, before and after; can be pickled."""

    root: Path
    series: Series
    frames: tuple[tuple[int, Frame], ...]
    after: tuple[Path | None, ...]
    reference: Path | None
    affine: Affine
    look: Look | None
    lines: Lines | None


class Images(NamedTuple):
    """A slice as numbers: before, what each method made of it, the truth; None where missing."""

    before: Image
    after: tuple[Image | None, ...]
    reference: Image | None


class Seen(NamedTuple):
    """What a worker gives of a slice.

    Attributes:
        place: In the stack.
        picture: Drawn, if a look was given.
        images: Else its numbers, or of a volume some lines of them.
        means: Mean inside the body, before and after each method; NaN where there is none.
    """

    place: int
    picture: Slice | None
    images: Images | None
    means: tuple[float, ...]


def described(path: Path) -> str:
    """What a DICOM file calls its series, which is a tag's value; can run in a worker."""
    try:
        return str(parse_header(path).data.get("SeriesDescription", "")).strip()
    except (DataError, NotAnImage):
        return ""


def look_at(task: Task) -> list[Seen]:
    """Read and draw some slices; runs in a worker.

    Raises:
        DataError: The source cannot be read. A result or a reference that cannot be is left out.
    """
    before = formats.read(task.root, task.series, 0)
    after = [_read(path, task.series, before.stored.shape) for path in task.after]
    truth = _read(task.reference, task.series, before.stored.shape)
    seen = []
    for place, frame in task.frames:
        number = frame.number
        images = Images(
            upright(np.array(before.frame(number).real[0]), task.affine),
            tuple(None if of is None else upright(of[number], task.affine) for of in after),
            None if truth is None else upright(truth[number], task.affine),
        )
        if task.lines:
            seen.append(Seen(place, None, _lines_of(images, task.lines), ()))
        elif task.look is None:
            seen.append(Seen(place, None, images, ()))
        else:
            picture = drawn(images, task.look, place)
            seen.append(Seen(place, picture, None, _means(images, task.series.modality)))
    return seen


def drawn(images: Images, look: Look, place: int) -> Slice:
    """A slice as pictures."""
    before, truth = images.before, images.reference
    return Slice(
        place + 1,
        look.grey(before),
        tuple("" if image is None else look.grey(image) for image in images.after),
        tuple("" if image is None else look.removed(before, image) for image in images.after),
        tuple(
            "" if image is None or truth is None else look.errors(image, truth)
            for image in images.after
        )
        if truth is not None
        else (),
    )


def _read(path: Path | None, series: Series, shape: tuple[int, ...]) -> Image | None:
    """Real-world values of a file of the same shape; None where there is none."""
    if path is None:
        return None
    there = replace(series.instances[0], path=path.name, alias=None)
    try:
        real = formats.read(path.parent, replace(series, instances=(there,)), 0).real
    except DataError:
        return None
    return real if real.shape == shape else None


def _lines_of(images: Images, lines: Lines) -> Images:
    """Rows, then columns, of a slice."""

    def cut(image: Image | None) -> Image | None:
        if image is None:
            return None
        return np.concatenate([*image[list(lines.rows)], *image.T[list(lines.columns)]])

    before = cut(images.before)
    if before is None:
        raise ValueError("a slice has lines")
    return Images(before, tuple(map(cut, images.after)), cut(images.reference))


def _means(images: Images, modality: str) -> tuple[float, ...]:
    body = body_mask(images.before, modality)
    if not body.any():
        return ()
    return tuple(
        float("nan") if image is None else float(image[body].mean(dtype=np.float64))
        for image in (images.before, *images.after)
    )
