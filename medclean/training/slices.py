"""Clean slices on disk, mapped into memory: what patches are cut from.

A series is ground truth if its own noise is below 2.5 % of its scale. A noisier one of high
resolution is averaged over 2x2 pixels, or 2x2x2 where voxels are nearly cubic, which divides white
noise by 2 or 2.8, and taken if that is enough; the rest is left out. A series with nearly cubic
voxels is cut in all three directions, and a slice that is nearly empty teaches nothing and is left
out.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medclean.archive.dataset import Case
from medclean.errors import DataError
from medclean.files import cannot_write, make_folder
from medclean.physics.signal.noise_level import middle, noise_level, series_noise_level
from medclean.signals import Stop
from medclean.training import notes
from medclean.training.arrays import mapped, save
from medclean.training.versions import Kept, Version
from medclean.volume import Given, Image, Volume, scale_of

CLEAN = 0.025  # largest sigma of a ground truth, as a share of scale; fine texture counts in
FINE = 320  # rows or columns from which a series may be halved
CUBIC = 1.3  # largest ratio of voxel sides of a series that is cut in three directions
NARROW = 64  # voxels along each side of a series that is cut in three directions
NARROWEST = 11  # pixels along each side of a slice: the window of SSIM
POOL = (100, 200)  # voxels that stand for a series where a scale is taken
NOTHING = Kept()


@dataclass(frozen=True)
class Series:
    """A series of the cache.

    Attributes:
        name: Of its case.
        file: Name of its ``.npy`` file, float32 ``(S, H, W)`` in real-world units.
        unit: ``"au"``, ``"HU"`` or ``"Bq/ml"``.
        modality: ``"MR"``, ``"CT"`` or ``"PT"``.
        scale: What 1 means to a relative figure.
        spacing: Of slices, rows and columns, in mm.
        noise: Its own sigma as a share of scale.
        slices: Axis and position of each slice that is not empty.
        normaliser: What brings it to a network's range; ``""`` is the usual one of its modality.
        versions: Noisy ones that lie beside it; none where noise is drawn for each patch.
    """

    name: str
    file: str
    unit: str
    modality: str
    scale: float
    spacing: tuple[float, float, float]
    noise: float
    slices: tuple[tuple[int, int], ...]
    normaliser: str = ""
    versions: tuple[Version, ...] = ()

    @property
    def bright(self) -> float:
        """Value above which there is content, not air."""
        return bright(self.modality, self.scale)

    def given(self, axis: int = 0) -> Given:
        """What is known about a slice across an axis."""
        rest = [side for other, side in enumerate(self.spacing) if other != axis]
        return Given(self.unit, self.scale, (self.spacing[axis], rest[0], rest[1]), self.modality)


@dataclass(frozen=True)
class Slices:
    """The series of one split, and where they lie."""

    folder: Path
    series: tuple[Series, ...]

    def stack(
        self, series: Series, axis: int, position: int, context: int = 1, *, file: str = ""
    ) -> Image:
        """A slice with its neighbours, ``(context, H, W)``; a missing one is the last repeated.

        Args:
            series: That it is of.
            axis: Which it lies across.
            position: Along that axis.
            context: How many, its own in the middle.
            file: Of a noisy version; the clean series' own if not given.
        """
        array = np.moveaxis(mapped(self.folder / (file or series.file)), axis, 0)
        if context == 1:
            return array[position : position + 1]
        reach = np.arange(context) - context // 2
        return array[np.clip(position + reach, 0, len(array) - 1)]

    def of(self, cases: Iterable[Case]) -> list[Case]:
        """The cases that were not left out."""
        names = {series.name for series in self.series}
        return [case for case in cases if case.name in names]

    def shape(self, series: Series, axis: int) -> tuple[int, int]:
        """Rows and columns of the slices across an axis."""
        sides = mapped(self.folder / series.file).shape
        rows, columns = sides[:axis] + sides[axis + 1 :]
        return rows, columns

    def files(self) -> Iterator[Path]:
        """All that is mapped into memory."""
        for series in self.series:
            yield from (self.folder / series.file, _pool_of(self.folder / series.file))
            yield from (self.folder / version.file for version in series.versions)

    def pool(self, series: Series) -> Image:
        """Voxels drawn from a series once, laid out as an image for the noise's sake."""
        return mapped(_pool_of(self.folder / series.file))

    def spread(self, count: int) -> list[tuple[Series, int, int]]:
        """Series, axis and position of about this many slices, evenly from all series."""
        each = max(1, round(count / len(self.series)))
        chosen = self.series
        if count < len(chosen):
            chosen = tuple(chosen[i] for i in _evenly(len(chosen), count))
        across = [(s, [place for place in s.slices if not place[0]] or s.slices) for s in chosen]
        return [(s, *places[i]) for s, places in across for i in _evenly(len(places), each)]


def cached(
    cases: Sequence[Case],
    folder: Path,
    *,
    report: Callable[[str], None],
    stop: Stop,
    kept: Kept = NOTHING,
) -> Slices:
    """The cache of these cases, made at the first call.

    Args:
        cases: Of one split.
        folder: Where the cache lies; a file ``index.json`` in it says that it is whole.
        kept: Which noisy versions are made, too.
        report: Told what was taken and what not, a case at a time.
        stop: Looked at before each case.

    Raises:
        DataError: No case is clean enough, or the cache is damaged.
        Stopped: ``stop`` said so.
    """
    index, mend = folder / "index.json", f"take {folder} away, and it is made anew"
    if not index.is_file():
        with cannot_write(folder):
            make_folder(folder)
            made = []
            for number, case in enumerate(cases):
                stop.check()
                path = folder / f"{number:04}.npy"
                done = path.with_suffix(".json")  # of a case that is whole: nothing is done twice
                if not done.is_file():
                    taken = _taken(case, path, kept, report, stop)
                    notes.write(done, [asdict(series) for series in taken])
                made += notes.read(done, list, mend=mend)
        notes.write(index, made)
    rows = notes.read(index, list, mend=mend)
    if not rows:
        raise DataError(
            f"none of {len(cases)} series is ground truth: each has noise above {CLEAN:.1%} of its "
            "scale, no slice with content, or one of few pixels; bring cleaner images"
        )
    try:
        found = Slices(folder, tuple(_series(row) for row in rows))
        for file in found.files():
            mapped(file)
    except (OSError, EOFError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{folder} is damaged ({type(error).__name__}); {mend}") from None
    return found


def clean_enough(volume: Volume, noise: float | None = None) -> tuple[Volume, float] | None:
    """A volume that can be ground truth with its noise as a share of scale, None if it cannot.

    Args:
        volume: Of one case.
        noise: As a share of scale, where it was measured before.
    """
    sigma = noise_share(volume) if noise is None else noise
    if sigma <= CLEAN:
        return volume, sigma
    steps = (2, 2, 2) if cubic(volume) else (1, 2, 2)
    left = sigma / float(np.sqrt(np.prod(steps)))
    if left <= CLEAN and max(volume.array.shape[1:]) >= FINE:
        return averaged(volume, steps), left
    return None


def cubic(volume: Volume) -> bool:
    """Whether slices across any axis are images."""
    spacing = volume.given().spacing
    return max(spacing) <= CUBIC * min(spacing) and min(volume.array.shape) >= NARROW


def noise_share(volume: Volume) -> float:
    """Median sigma of up to nine slices in the middle of a volume, as a share of its scale."""
    places = middle(len(volume.array))
    return series_noise_level(noise_level(volume.array[p]) for p in places) / volume.scale


def averaged(volume: Volume, steps: tuple[int, int, int]) -> Volume:
    """Fewer voxels, each the mean of ``steps`` slices, rows and columns."""
    whole = [side - side % step for side, step in zip(volume.array.shape, steps, strict=True)]
    blocks = [n for side, step in zip(whole, steps, strict=True) for n in (side // step, step)]
    kept = volume.array[: whole[0], : whole[1], : whole[2]]
    array = kept.reshape(blocks).mean(axis=(1, 3, 5), dtype=np.float32)
    affine = volume.affine @ np.diag([*steps, 1.0])
    affine[:3, 3] += volume.affine[:3, :3] @ (np.array(steps) - 1) / 2  # centre of the first block
    return Volume(array, affine, volume.unit, volume.modality, scale_of(array, volume.modality))


def _taken(
    case: Case, path: Path, kept: Kept, report: Callable[[str], None], stop: Stop
) -> list[Series]:
    """Put a case into the cache, if it can be ground truth; that of a pair is, as it stands."""
    volume = case.read()
    rows, columns = volume.array.shape[1:]
    if min(rows, columns) < NARROWEST:
        report(f"left out, slices of {rows}x{columns}, expected {NARROWEST} at least: {case.name}")
        return []
    clean = (volume, case.noise or 0.0) if case.noisy else clean_enough(volume, case.noise)
    if clean is None:
        report(f"left out, noise above {CLEAN:.1%} of scale: {case.name}")
        return []
    taken, sigma = clean
    slices = tuple(_with_content(taken, 1 if kept.noise or not cubic(taken) else 3))
    if not slices:
        report(f"left out, no slice with content: {case.name}")
        return []
    save(path, taken.array)
    save(_pool_of(path), np.random.default_rng(0).choice(taken.array.ravel(), POOL))
    how = "" if taken is volume else ", averaged over 2x2 pixels or 2x2x2 voxels"
    if kept.noise is not None:
        drawn = kept.count * len(taken.array)
        report(f"drawing slow noise for {drawn} slices, which may take a while: {case.name}")
    versions = tuple(kept.versions(case, taken, sigma * taken.scale, path, stop))
    how += f", {len(versions)} noisy" if versions else ""
    report(f"taken, {len(slices)} slices, noise {sigma:.1%} of scale{how}: {case.name}")
    made = Series(
        name=case.name,
        file=path.name,
        unit=taken.unit,
        modality=taken.modality,
        scale=taken.scale,
        spacing=taken.given().spacing,
        noise=sigma,
        slices=slices,
        normaliser=case.normaliser,
        versions=versions,
    )
    return [made]


def _pool_of(path: Path) -> Path:
    return path.with_name(f"pool-{path.name}")


def _with_content(volume: Volume, axes: int) -> Iterator[tuple[int, int]]:
    """Axis and position of the slices of which a tenth or more is brighter than 5 % of scale."""
    content = volume.array > bright(volume.modality, volume.scale)
    for axis in range(axes):
        share = content.mean(axis=tuple({0, 1, 2} - {axis}))
        yield from ((axis, int(p)) for p in np.flatnonzero(share > 0.1))


def bright(modality: str, scale: float) -> float:
    """Air and 5 % of scale."""
    return (-1000.0 if modality == "CT" else 0.0) + 0.05 * scale


def _series(row: dict[str, object]) -> Series:
    places: Sequence[Sequence[int]] = row.pop("slices")  # type: ignore[assignment]  # from JSON
    spacing: Sequence[float] = row.pop("spacing")  # type: ignore[assignment]  # likewise
    versions: Sequence[dict[str, Any]] = row.pop("versions")  # type: ignore[assignment]  # likewise
    return Series(
        **row,  # type: ignore[arg-type]  # likewise
        slices=tuple((axis, position) for axis, position in places),
        spacing=(spacing[0], spacing[1], spacing[2]),
        versions=tuple(Version(**version) for version in versions),
    )


def _evenly(length: int, count: int) -> list[int]:
    """Up to ``count`` different places in a row, evenly spread, ends kept free."""
    places = (np.arange(count) + 0.5) * length / count
    return sorted({int(place) for place in places})
