"""Series through k-space in this process, while workers read and write."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from medclean.archive.array.read import mapped, read
from medclean.archive.numbers import Pixels
from medclean.archive.series import Series
from medclean.device import filter_class
from medclean.inference.batches import Cut, cut
from medclean.inference.statistics import Statistics
from medclean.physics.noise._base import zero
from medclean.physics.recon.zero_filled import root_sum_of_squares, zero_filled
from medclean.physics.signal.fourier import to_kspace
from medclean.pipelines._here import AHEAD, feed, seen
from medclean.pipelines._output import Output
from medclean.pipelines._traces import Traces
from medclean.pipelines._work import Work
from medclean.volume import Given, Image

if TYPE_CHECKING:
    from medclean.pipelines._undersampling import Undersampling


class OfImages:
    """A way to compute a series: slice by slice, or volume by volume.

    The magnitude of an image, as signal above air in HU, is transformed, sampled and transformed
    back: the result is its magnitude again.

    Args:
        work: What it takes.
        how: What is sampled.
    """

    def __init__(self, work: Work, how: "Undersampling") -> None:
        self.work, self.how = work, how

    @property
    def machine(self) -> dict[str, Any]:
        """All that rounding depends on."""
        return filter_class()

    def compute(self, series: Series, output: Output, statistics: Statistics) -> None:
        """Put every image into the output that it does not have yet, and its k-space.

        Raises:
            OutOfMemory: A volume does not fit; nothing of the series is still being written.
            Stopped: A signal came; what was computed is staged.
        """
        traces, whole = Traces(self.how, series, output), self.how.whole
        axes, names = ((-3, -2, -1), "slices rows columns") if whole else ((-2, -1), "rows columns")
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
        output.facts["kspace"] = traces.facts(names.split(), float(air))


class OfCoils:
    """A way to compute an array ``(slices, coils, rows, columns)`` of k-space or complex images.

    The images of several coils become one magnitude, their root sum of squares; of a plain array
    ``(rows, columns)`` the result is complex.

    Args:
        work: What it takes.
        how: What is sampled.
    """

    def __init__(self, work: Work, how: "Undersampling") -> None:
        self.work, self.how = work, how

    @property
    def machine(self) -> dict[str, Any]:
        """All that rounding depends on."""
        return filter_class()

    def compute(self, series: Series, output: Output, statistics: Statistics) -> None:
        """Stage the zero-filled images and their k-space.

        Raises:
            DataError: The array cannot be read.
            Stopped: A signal came; nothing of it is staged.
        """
        traces, whole = Traces(self.how, series, output), self.how.whole
        axes, names = ((-4, -2, -1), "slices rows columns") if whole else ((-2, -1), "rows columns")
        coils, source = read(self.work.root, series, 0), series.instances[0].path
        mask = traces.mask(traces.shape(0))
        mask = mask[:, None] if whole else mask
        given, step = mapped(self.work.root / source).ndim, len(coils) if whole else 1
        single = given == 2
        shape = coils.shape[2:] if given < 4 else (len(coils), *coils.shape[2:])
        kind = np.complex64 if single else np.float32
        to = self.how.layout.path(source)
        with output.array(to, shape, kind) as images, traces.kept() as keep:
            for first in range(0, len(coils), step):
                self.work.stop.check()
                part = np.asarray(coils[first : first + step], np.complex64)
                kspace = to_kspace(part, axes) if self.how.job.arrays == "images" else part
                sampled = kspace * mask
                keep(0, first, sampled)
                found = zero_filled(sampled, axes)
                images.append(found if single else root_sum_of_squares(found, -3))
                self.work.bar.advance(len(part))
        output.facts["kspace"] = traces.facts(names.split(), 0.0)
