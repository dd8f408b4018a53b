"""The pictures of one series, as many and as good as there is room for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from medclean.archive.workers import Workers
from medclean.errors import DataError
from medclean.pipelines._fusion import Under, fused
from medclean.pipelines._sight import Images, Lines, Seen, Sight, drawn, look_at
from medclean.report import graphs, pictures
from medclean.report.page import Graph, Pictures, Slice, View
from medclean.report.pictures import ERRORS, GRADES, SHARE, Grade, Look
from medclean.report.svg import number
from medclean.volume import Image

THIN, MANY = 3.0, 24  # mm of a slice, and slices: from there on other directions are worth a look
ENOUGH = 60  # slices: more of them are worth no coarser pictures
PLANES = 3  # of each other direction
INVERSE = "PT"
TEXT = "its pixels may show text that identifies, as of its kind many do: no image is shown"


@dataclass(frozen=True)
class Room:
    """What a series may take on the page.

    Attributes:
        bytes: Of its pictures.
        slices: At most so many.
        grades: Sizes and qualities to choose from, the best first.
        volumes: Whether to show other directions of volumes, too: they are read whole.
    """

    bytes: float
    slices: int = 400
    grades: Sequence[Grade] = GRADES
    volumes: bool = True


class Mean(NamedTuple):
    """Mean of a slice inside the body, before and after, by method."""

    place: int
    before: float
    after: tuple[float, ...]


@dataclass
class Viewed:
    """The pictures of a series, and what was measured on the way."""

    pictures: Pictures
    means: list[Mean] = field(default_factory=list)
    unit: str = ""
    scale: float = 1.0


def view(
    sight: Sight, names: Sequence[str], room: Room, workers: Workers, under: Under | None = None
) -> Viewed:
    """Show a series.

    Args:
        sight: Where its images lie.
        names: What its methods are called.
        room: What it may take.
        workers: They read.
        under: What it is laid over, too.
    """
    if sight.shows_text and not sight.identifiable:
        return Viewed(Pictures(gaps=(TEXT,)))
    stack = sight.stack
    first = [place for spot in sight.spots if (place := sight.place_of(spot)) is not None]
    key = first[0] if first else len(stack.frames) // 2
    try:
        images = _one(sight, key, workers)
    except DataError:
        return Viewed(Pictures(gaps=("the images before cannot be read",)))
    gaps = _lacking(images, names, sight)
    if all(image is None for image in images.after):
        return Viewed(Pictures(gaps=tuple(gaps)))
    look, wanted = _look(sight, images, room)
    if not wanted:
        return Viewed(Pictures(gaps=("the page has no room for its images; see --max-mb",)))
    places = pictures.spread(len(stack.frames), wanted, [key, *first])
    seen = _seen(sight, places, look, workers, gaps)
    slices = [s.picture for s in seen if s.picture]
    noted = _noted(slices, sight)
    begin = next((n for n, one in enumerate(noted) if one.place == key + 1), 0)
    high, wide = (side * mm for side, mm in zip(stack.shape, stack.spacing[1:], strict=True))
    views = [View("slices", wide, high, len(stack.frames), tuple(noted), begin)]
    if room.volumes and _is_volume(sight):
        views += _others(sight, look, workers)
    if under and room.volumes:
        views += _over(sight, under, look, workers, gaps)
    if len(sight.series.groups) > 1:
        gaps.append(f"the largest of its {len(sight.series.groups)} stacks is shown")
    unit = sight.series.unit
    row, zoom = _detail(images, sight, key)
    return Viewed(
        Pictures(
            views=tuple(views),
            window=_between(look.window, unit) + (", inverse" if look.inverse else ""),
            limit=f"\N{PLUS-MINUS SIGN}{number(look.limit)} {unit}",
            error=f"\N{PLUS-MINUS SIGN}{number(look.error)} {unit}" if _truth(images) else "",
            shown=f"{len(noted)} of {len(stack.frames)} slices, {look.grade}",
            zoom=zoom,
            graphs=tuple(_graphs(images, names, sight, look, row, key + 1)),
            gaps=tuple(gaps),
        ),
        [Mean(s.place + 1, s.means[0], s.means[1:]) for s in seen if s.means],
        unit,
        sight.scale_by(images.before),
    )


def _over(sight: Sight, under: Under, look: Look, workers: Workers, gaps: list[str]) -> list[View]:
    try:
        found = fused(sight, under, look, workers)
    except DataError:
        found = None
    if found is None:
        gaps.append(f"it cannot be laid over MR {under.name}: images are gone, or lie elsewhere")
    return [found] if found else []


def _one(sight: Sight, place: int, workers: Workers) -> Images:
    (task,) = sight.tasks([place], None, None)
    (seen,) = workers.submit(look_at, task).result()
    if seen.images is None:
        raise DataError("it has no such slice")
    return seen.images


def _seen(
    sight: Sight, places: list[int], look: Look, workers: Workers, gaps: list[str]
) -> list[Seen]:
    found, lost = list[Seen](), 0
    for task, done in workers.map(look_at, sight.tasks(places, look, None)):
        try:
            found += done.result()
        except DataError:
            lost += len(task.frames)
    if lost:
        gaps.append(f"{lost} of its slices cannot be read")
    return found


def _look(sight: Sight, images: Images, room: Room) -> tuple[Look, int]:
    """How to show it, and how many slices there is room for."""
    modality = sight.series.modality
    there = [image for image in images.after if image is not None]
    scale = sight.scale_by(images.before)
    look = Look(
        window=pictures.window_of(images.before, modality, scale),
        limit=pictures.limit_of([images.before - image for image in there]),
        error=ERRORS.get(modality, pictures.limit_of([np.full((1, 1), SHARE * scale, np.float32)])),
        inverse=modality == INVERSE,
        grade=room.grades[0],
    )
    wanted = min(len(sight.stack.frames), room.slices)
    price = 0
    for grade in room.grades:
        look = replace(look, grade=grade)
        one = drawn(images, look, 0)
        price = sum(map(len, (one.before, *one.after, *one.removed, *one.error)))
        fits = min(wanted, int(room.bytes // price))
        if fits >= (wanted if grade.quality is None else min(wanted, ENOUGH)):
            return look, fits
    return look, int(room.bytes // price)


def _noted(slices: Sequence[Slice], sight: Sight) -> list[Slice]:
    """Slices with the reasons to look at them."""
    notes: dict[int, list[str]] = {}
    for spot in sight.spots:
        if (place := sight.place_of(spot)) is not None:
            notes.setdefault(place + 1, []).append(spot.note)
    return [one._replace(note="; ".join(dict.fromkeys(notes.get(one.place, ())))) for one in slices]


def _is_volume(sight: Sight) -> bool:
    stack = sight.stack
    return not stack.in_time and len(stack.frames) >= MANY and 0 < stack.spacing[0] <= THIN


def _others(sight: Sight, look: Look, workers: Workers) -> list[View]:
    """A few planes across the slices, in the directions of rows and of columns."""
    stack = sight.stack
    (rows, columns), count = stack.shape, len(stack.frames)
    at = [tuple(int(side * (n + 1) / (PLANES + 1)) for n in range(PLANES)) for side in stack.shape]
    found: list[Images] = []
    for _, done in workers.map(look_at, sight.tasks(list(range(count)), None, Lines(at[0], at[1]))):
        try:
            found += [seen.images for seen in done.result() if seen.images]
        except DataError:
            return []
    if len(found) < count:
        return []

    def plane(lines: Sequence[Image | None], start: int, length: int) -> Image | None:
        there = [line for line in lines if line is not None]
        if len(there) < count:
            return None
        return np.stack([line[start : start + length] for line in there])[:: _up(sight)]

    views = []
    for name, first, length, places, mm in (
        (_direction(sight, 1), 0, columns, at[0], stack.spacing[2]),
        (_direction(sight, 2), PLANES * columns, rows, at[1], stack.spacing[1]),
    ):
        slices = []
        for n, place in enumerate(places):
            start = first + n * length
            before = plane([one.before for one in found], start, length)
            after = tuple(
                plane([one.after[k] for one in found], start, length)
                for k in range(len(sight.outputs))
            )
            truth = plane([one.reference for one in found], start, length)
            if before is not None:
                slices.append(drawn(Images(before, after, truth), look, place))
        total = rows if first == 0 else columns
        high = count * stack.spacing[0]
        views.append(View(name, length * mm, high, total, tuple(slices), len(slices) // 2))
    return views


def _up(sight: Sight) -> int:
    """Step through the slices that puts the head on top, or what comes first."""
    normal = np.array(sight.stack.affine)[:3, 0]
    return -1 if normal[int(np.abs(normal).argmax())] > 0 else 1


def _direction(sight: Sight, axis: int) -> str:
    """What planes that hold one row (1), or one column (2), of each slice are called."""
    along = np.array(sight.stack.affine)[:3, axis]
    return ("sagittal", "coronal", "axial")[int(np.abs(along).argmax())]


def _detail(images: Images, sight: Sight, key: int) -> tuple[int, tuple[float, float]]:
    """A row for the profile, and the centre of the detail."""
    rows, columns = images.before.shape
    for spot in sight.spots:
        if spot.row is not None and spot.column is not None and sight.place_of(spot) == key:
            row, column = sight.seen_at(spot.row, spot.column)
            return row, ((column + 0.5) / columns, (row + 0.5) / rows)
    result = next(image for image in images.after if image is not None)
    zoom = pictures.detail_of(result, sight.series.modality)
    return int(zoom[1] * rows), zoom


def _graphs(
    images: Images, names: Sequence[str], sight: Sight, look: Look, row: int, place: int
) -> list[Graph]:
    unit, spacing = sight.series.unit, sight.stack.spacing
    after = {n: i for n, i in zip(names, images.after, strict=True) if i is not None}
    whole: dict[str, Image] = {"before": images.before, **_after(after)}
    if images.reference is not None:
        whole["reference"] = images.reference
    removed = {name: images.before - image for name, image in after.items()}
    first, row = next(iter(after.values())), min(row, len(images.before) - 1)
    found = [
        graphs.profile(whole, row, unit=unit, spacing=spacing[2], place=place),
        graphs.histogram(whole, unit=unit, window=look.window, place=place),
        graphs.noise_power(removed, first, unit=unit, spacing=spacing[1:], place=place),
    ]
    return [graph for graph in found if graph]


def _after(after: Mapping[str, Image]) -> dict[str, Image]:
    """Results by name; a single one is just what comes after."""
    return {"after": next(iter(after.values()))} if len(after) == 1 else dict(after)


def _lacking(images: Images, names: Sequence[str], sight: Sight) -> list[str]:
    gone = [name for name, image in zip(names, images.after, strict=True) if image is None]
    several = f" of {', '.join(gone)}" if len(names) > 1 else ""
    said = [f"the result{several} is gone, or is not as long or wide as its source"] if gone else []
    if sight.reference and images.reference is None:
        said.append("there is no reference of its size at its path")
    return said


def _truth(images: Images) -> bool:
    return images.reference is not None


def _between(window: tuple[float, float], unit: str) -> str:
    return f"{number(window[0])} to {number(window[1])} {unit}"
