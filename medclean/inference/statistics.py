"""What is measured once a series, before any slice is denoised: its scale and its noise."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medclean.archive import formats
from medclean.archive.series import Series
from medclean.archive.workers import Workers
from medclean.volume import CT_SCALE, Factors, Image, Mask

SHARE = 0.999  # of the voxels lie at or below what "1" means


@dataclass(frozen=True)
class Summary:
    """What some instances add to the figures of their series.

    Attributes:
        voxels: How many are no padding.
        top: The highest of them, as many as can matter for the series' percentile.
        noise: Standard deviation of the noise of each slice that shows any.
    """

    voxels: int
    top: NDArray[np.float32]
    noise: tuple[float, ...]


@dataclass(frozen=True)
class Statistics:
    """What is known of a series.

    Attributes:
        scale: What 1 means, in its unit.
        sigma: Noise level, in its unit; None where nobody asked for it.
        interpolated: Of each group, how many pixels a sample became along rows and columns; of none
            where nobody asked.
    """

    scale: float
    sigma: float | None = None
    interpolated: tuple[Factors, ...] = ()


def of_series(
    root: Path,
    series: Series,
    workers: Workers,
    *,
    noise: bool,
    rule: Literal["robust", "max"],
    check: Callable[[], None],
) -> Statistics:
    """Read a series once, and measure it.

    Args:
        root: What its paths are relative to.
        series: As a scan found it.
        workers: Processes that read.
        noise: Whether to measure the noise, too.
        rule: See ``statistics``.
        check: Called now and then; raises where the run shall stop.

    Raises:
        DataError: A file cannot be read.
    """
    voxels = sum(len(g.frames) * g.shape[0] * g.shape[1] for g in series.groups)
    voxels = 0 if series.modality == "CT" else voxels  # whose scale is no percentile
    look = partial(measure, root, total=voxels, noise=noise)
    whole = Summary(0, np.empty(0, np.float32), ())
    places = range(len(series.instances))
    for _, task in workers.map(look, (series.alone(place) for place in places)):
        check()
        whole = together(whole, task.result(), total=voxels)
    return statistics(whole, series.modality, rule=rule)


def measure(root: Path, series: Series, *, total: int, noise: bool) -> Summary:
    """Read the only file of a series, and summarise it; runs in a worker process.

    Frames that go through unchanged are no part of what is denoised, and do not count.
    """
    pixels = formats.read(root, series, 0)
    real, padding, passed = pixels.real, pixels.padding, series.instances[0].passed
    if passed:
        real, padding = np.delete(real, passed, 0), np.delete(padding, passed, 0)
    return summarise(real, padding, total=total, noise=noise)


def together(one: Summary, other: Summary, *, total: int) -> Summary:
    """Two summaries as one, no larger than that of the whole series."""
    top = _highest(np.concatenate([one.top, other.top]), total)
    return Summary(one.voxels + other.voxels, top, one.noise + other.noise)


def summarise(real: Image, padding: Mask | None, *, total: int, noise: bool) -> Summary:
    """Summarise the slices of one instance.

    Args:
        real: ``(frames, rows, columns)`` in real-world units.
        padding: True where a voxel is no part of the image.
        total: Voxels of the whole series.
        noise: Whether to measure the noise, too.
    """
    voxels = real[~padding] if padding is not None else real.ravel()
    top = _highest(voxels, total)
    levels = _levels(real, padding) if noise else ()
    return Summary(voxels.size, top, tuple(level for level in levels if level > 0))


def statistics(
    summary: Summary, modality: str, *, rule: Literal["robust", "max"] = "robust"
) -> Statistics:
    """What the summary of a whole series says.

    The scale is the exact 99.9th percentile of all voxels (numpy's linear rule), 4000 HU for CT,
    and 1 where it would be 0.
    """
    sigma = _together(summary.noise) if summary.noise else 0.0
    if modality == "CT":
        return Statistics(CT_SCALE, sigma)
    top, count = np.sort(summary.top), summary.voxels
    if not count:
        return Statistics(1.0, sigma)
    place = len(top) - 1 if rule == "max" else SHARE * (count - 1) - (count - len(top))
    scale = float(np.interp(place, np.arange(len(top)), top))
    return Statistics(scale or 1.0, sigma)


def _levels(real: Image, padding: Mask | None) -> list[float]:
    from medclean.physics.signal.noise_level import noise_level  # which takes long to import

    body = [None] * len(real) if padding is None else ~padding
    return [noise_level(image, mask) for image, mask in zip(real, body, strict=True)]


def _together(levels: Iterable[float]) -> float:
    from medclean.physics.signal.noise_level import series_noise_level

    return series_noise_level(levels)


def _highest(voxels: NDArray[np.float32], total: int) -> NDArray[np.float32]:
    """The highest of them: as many as the percentile of a series of ``total`` can depend on."""
    kept = min(int((1 - SHARE) * total) + 2, voxels.size)
    return np.partition(voxels, voxels.size - kept)[voxels.size - kept :] if kept else voxels[:0]
