"""A series cut into batches by position, and its instances read ahead of their use."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from medclean.archive.numbers import Pixels
from medclean.archive.series import Frame, Series
from medclean.volume import Image, Mask


@dataclass(frozen=True)
class Cut:
    """Slices that are computed together.

    Attributes:
        group: Index of their group in the series.
        start: Place of the first of them in the group.
        windows: For each slice itself and its neighbours, in order; its own in the middle.
    """

    group: int
    start: int
    windows: tuple[tuple[Frame, ...], ...]

    @property
    def own(self) -> tuple[Frame, ...]:
        """The slices that this batch gives a result for."""
        return tuple(window[len(window) // 2] for window in self.windows)

    @property
    def instances(self) -> frozenset[int]:
        """What has to be read for it."""
        return frozenset(frame.instance for window in self.windows for frame in window)


def cut(series: Series, *, batch: int | None, context: int) -> list[Cut]:
    """Cut each group by position; a neighbour beyond the end is the last slice again.

    Args:
        series: Its groups are never mixed.
        batch: Slices computed together; None for a whole group at once.
        context: Odd number of slices that the model sees for one.
    """
    cuts = []
    for number, group in enumerate(series.groups):
        size = batch or len(group.frames)
        for start in range(0, len(group.frames), size):
            places = range(start, min(start + size, len(group.frames)))
            windows = tuple(_window(group.frames, place, context) for place in places)
            cuts.append(Cut(number, start, windows))
    return cuts


def read_ahead(
    cuts: Sequence[Cut], read: Callable[[int], "Future[Pixels]"], *, ahead: int
) -> Iterator[tuple[Cut, dict[int, Pixels]]]:
    """Yield each cut with the pixels of its instances, while those of the next are being read.

    An instance is read once and held until its last use; nothing else is held.

    Args:
        cuts: In order.
        read: Starts to read an instance.
        ahead: Cuts that are read beyond the one in hand.
    """
    last_use = {instance: place for place, cut in enumerate(cuts) for instance in cut.instances}
    held: dict[int, Future[Pixels]] = {}
    started = 0
    try:
        for place, this in enumerate(cuts):
            for coming in cuts[started : place + ahead + 1]:
                held |= {i: read(i) for i in sorted(coming.instances - held.keys())}
            started = max(started, place + ahead + 1)
            yield this, {instance: held[instance].result() for instance in this.instances}
            for instance in [i for i in held if last_use[i] <= place]:
                del held[instance]
    finally:
        cancel(held.values())


def cancel(futures: Iterable["Future[Pixels]"]) -> None:
    """Give up what has not begun."""
    for future in futures:
        future.cancel()


def visible(image: Image, padding: Mask) -> Image:
    """An image with the least value of its own where there is none: no model sees padding.

    Args:
        image: ``(rows, columns)``.
        padding: True where its pixels are no part of it.
    """
    if not padding.any() or padding.all():
        return image
    return np.where(padding, image[~padding].min(), image)


def _window(frames: Sequence[Frame], place: int, context: int) -> tuple[Frame, ...]:
    reach, last = context // 2, len(frames) - 1
    return tuple(frames[min(max(i, 0), last)] for i in range(place - reach, place + reach + 1))
