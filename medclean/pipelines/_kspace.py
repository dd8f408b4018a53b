"""Series through k-space: images in this process, arrays of coils in workers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medclean.archive.array.coils import Complex, Outline
from medclean.archive.array.read import opened, outline
from medclean.archive.nifti.names import is_nifti
from medclean.archive.numbers import Pixels
from medclean.archive.series import Series
from medclean.device import filter_class
from medclean.inference.batches import Cut, cut
from medclean.inference.statistics import Statistics
from medclean.physics.noise._base import zero
from medclean.physics.recon.zero_filled import root_sum_of_squares, zero_filled
from medclean.physics.signal.fourier import to_image, to_kspace
from medclean.pipelines._here import AHEAD, feed, seen
from medclean.pipelines._output import Output
from medclean.pipelines._traces import Traces
from medclean.pipelines._work import Work
from medclean.volume import Given, Image, Mask

if TYPE_CHECKING:
    from medclean.pipelines._undersampling import Undersampling

ROW_COLUMN = "rows", "columns"


@dataclass(frozen=True)
class _OfSampling:
    """What both ways have in common.

    Attributes:
        work: What it takes.
        how: What is sampled.
    """

    work: Work
    how: "Undersampling"

    @property
    def machine(self) -> dict[str, Any]:
        """All that rounding depends on."""
        return filter_class()

    @property
    def axes(self) -> tuple[str, ...]:
        """What is transformed."""
        return ("slices", *ROW_COLUMN) if self.how.whole else ROW_COLUMN


class OfImages(_OfSampling):
    """A way to compute a series: slice by slice, or volume by volume.

    The magnitude of an image, as signal above air in HU, is transformed, sampled and transformed
    back: the result is its magnitude again.
    """

    def compute(self, series: Series, output: Output, statistics: Statistics) -> None:
        """Put every image into the output that it does not have yet, and its k-space.

        Raises:
            OutOfMemory: A volume does not fit; nothing of the series is still being written.
            Stopped: A signal came; what was computed is staged.
        """
        traces, whole = Traces(self.how, series, output), self.how.whole
        axes = (-3, -2, -1) if whole else (-2, -1)
        air = np.float32(zero(Given(series.unit, 1.0, (1.0, 1.0, 1.0), series.modality)))
        cuts = cut(series, batch=None if whole else 1, context=1)
        there = {n for n in range(len(series.groups)) if traces.there(n)}
        todo = [c for c in cuts if c.group not in there]
        self.work.bar.advance(sum(len(c.own) for c in cuts) - sum(len(c.own) for c in todo))
        with traces.kept() as keep:

            def compute(this: Cut, pixels: Mapping[int, Pixels]) -> Image:
                signal = np.stack([seen(pixels, frame) for frame in this.own]) - air
                mask = traces.mask(traces.shape(this.group))
                sampled = to_kspace(signal.astype(np.complex64), axes) * mask
                keep(this.group, this.start, sampled)
                return np.abs(zero_filled(sampled, axes)) + air

            feed(self.work, series, output, todo, compute, ahead=0 if whole else AHEAD)
        output.facts["kspace"] = traces.facts(self.axes, float(air))


class _Part(NamedTuple):
    """Slices of a group that are computed together; places count through all groups."""

    group: int
    first: int
    last: int
    mask: Mask


class OfCoils(_OfSampling):
    """A way to compute a file of complex numbers: k-space of coils, or images.

    The images of several coils become one magnitude, their root sum of squares; images of none
    stay complex.
    """

    def compute(self, series: Series, output: Output, statistics: Statistics) -> None:
        """Stage the zero-filled images and their k-space.

        Raises:
            DataError: The file cannot be read.
            Stopped: A signal came; nothing of it is staged.
        """
        work, how = self.work, self.how
        traces = Traces(how, series, output)
        about = work.workers.submit(outline, work.root, series).result()
        otherwise = () if how.job.arrays == "images" else _frequencies(whole=how.whole)
        known = otherwise if about.known is None else about.known
        path = work.root / series.instances[0].path
        sample = partial(_sampled, path, known, whole=how.whole)
        with self._images(series, output, about) as append, traces.kept() as keep:
            for part, task in work.workers.map(sample, self._parts(series, about, traces)):
                work.stop.check()
                sampled, images = task.result()
                keep(part.group, part.first - part.group * about.slices, sampled)
                append(images)
                work.bar.advance(len(images))
        output.facts["kspace"] = traces.facts(self.axes, 0.0)

    def _parts(self, series: Series, about: Outline, traces: Traces) -> Iterator[_Part]:
        step = 1 if about.apart and not self.how.whole else about.slices
        for group in range(len(series.groups)):
            begin, mask = group * about.slices, traces.mask(traces.shape(group))
            for first in range(begin, begin + about.slices, step):
                yield _Part(group, first, first + step, mask)

    @contextmanager
    def _images(
        self, series: Series, output: Output, about: Outline
    ) -> Iterator[Callable[[NDArray[Any]], None]]:
        """Takes images in order; their file is staged when the block ends."""
        file = series.instances[0]
        to = self.how.layout.path(file.target)
        if is_nifti(Path(file.path)):
            from medclean.archive.nifti.write import of_complex

            images: list[NDArray[Any]] = []
            yield images.append
            output.stage(to, of_complex(self.work.root / file.path, np.concatenate(images)))
        else:
            kind = np.complex64 if about.single else np.float32
            with output.array(to, about.shape, kind) as growing:
                yield growing.append


def _frequencies(*, whole: bool) -> tuple[int, ...]:
    """Axes of (slices, coils, rows, columns) that become k-space."""
    return (-4, -2, -1) if whole else (-2, -1)


def _sampled(
    path: Path, known: tuple[int, ...], part: _Part, *, whole: bool
) -> tuple[Complex, NDArray[Any]]:
    """What is sampled of a part of a file, and its images; runs in a worker.

    Raises:
        DataError: It cannot be read.
    """
    axes = _frequencies(whole=whole)
    with opened(path) as coils:
        about, values = coils.outline, coils.part(part.first, part.last)
    if missing := tuple(axis for axis in axes if axis not in known):
        values = to_kspace(values, missing)
    if decoded := tuple(axis for axis in known if axis not in axes):
        values = to_image(values, decoded)
    sampled = values * (part.mask[:, None] if whole else part.mask)
    found = zero_filled(sampled, axes)
    if about.single:
        return sampled[:, 0], found[:, 0]
    return sampled, root_sum_of_squares(found, -3)
