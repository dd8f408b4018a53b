"""Which groups of a series were interpolated: measured before any slice is denoised."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from medclean.archive import formats
from medclean.archive.series import Frame, Series
from medclean.archive.workers import Workers
from medclean.physics.signal.interpolation import Band, band, factors
from medclean.volume import Factors

MOST = 32  # slices of a group that are looked at: enough for a median

Part: TypeAlias = tuple[Series, tuple[int, ...]]  # one file of a series, and which of its images


def of_groups(
    root: Path, series: Series, workers: Workers, *, scale: float, check: Callable[[], None]
) -> tuple[Factors, ...]:
    """How many pixels one sample became, along rows and columns, of each group.

    Args:
        root: What the paths of the series are relative to.
        series: As a scan found it.
        workers: Processes that read.
        scale: What 1 means in the series, in its unit.
        check: Called now and then; raises where the run shall stop.

    Raises:
        DataError: A file cannot be read.
    """
    files: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, group in enumerate(series.groups):
        for frame in _some(group.frames):
            files[frame.instance].append((number, frame.number))
    found: list[list[Band]] = [[] for _ in series.groups]
    parts = (
        (series.alone(place), tuple(image for _, image in images))
        for place, images in files.items()
    )
    tasks = workers.map(partial(_bands, root), parts)
    for (_, task), images in zip(tasks, files.values(), strict=True):
        check()
        for (number, _), measured in zip(images, task.result(), strict=True):
            found[number] += [measured] if measured else []
    return tuple(factors(bands, scale) for bands in found)


def _some(frames: Sequence[Frame]) -> Sequence[Frame]:
    """Spread evenly, no more than are needed."""
    count = min(len(frames), MOST)
    return [frames[(2 * place + 1) * len(frames) // (2 * count)] for place in range(count)]


def _bands(root: Path, part: Part) -> list[Band | None]:
    """What some images of a file show; runs in a worker process."""
    alone, images = part
    pixels = formats.read(root, alone, 0)
    return [band(pixels.frame(n).real[0], ~pixels.padding[n]) for n in images]
