"""How long a run takes, and how much memory: one batch goes through the model and is thrown away.

The batch is of the series with the largest slices, so that it shows the most memory that any takes;
reading is timed with a file of it. A model of whole series gets a small block instead. The rest is
proportion, for a model's time goes with the pixels (bm4d: 75 to 105 us a voxel from blocks of 8 x
64 x 64 to 24 x 192 x 192); what a run does before its first slice was done here too. Writing alone
cannot be tried without writing: to encode takes about as long as to decode (measured for RLE and
JPEG 2000).
"""

import resource
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from time import perf_counter
from typing import TypeVar

import numpy as np
import torch

from medclean.archive import formats
from medclean.archive.numbers import Pixels, to_stored
from medclean.archive.series import Group, Series
from medclean.archive.workers import Workers
from medclean.errors import DataError
from medclean.inference.engine import Engine
from medclean.inference.ladder import OutOfMemory, Rung, below
from medclean.pipelines._denoising import Denoising
from medclean.pipelines._estimate import pixels_of
from medclean.pipelines._here import AHEAD
from medclean.pipelines._request import Request
from medclean.volume import Given

T = TypeVar("T")

LOADING = 2.0  # seconds for libraries, before there is a clock to read
STAGING = 8e-3  # seconds of a worker for a file to be patched, written and on the disk
WITHIN = 2.0  # times longer or shorter that a run may take than foreseen
BLOCK = 8, 64, 64  # voxels of a series, for a model that takes it whole
HELD = 12  # bytes of a pixel: as stored, as a real value, as padding, as result
WORKER, WORKER_PIXEL = 60 << 20, 40  # bytes of a worker process, and for a pixel of its file


@dataclass(frozen=True)
class Effort:
    """What a run takes.

    Attributes:
        seconds: Most likely.
        memory: Bytes of all processes together.
        device_memory: Bytes of the GPU; None without one.
        rung: How slices went through the model.
    """

    seconds: float
    memory: int
    device_memory: int | None
    rung: str

    @property
    def between(self) -> tuple[float, float]:
        """Seconds that it takes at least and at most."""
        return self.seconds / WITHIN, self.seconds * WITHIN


@dataclass(frozen=True)
class Pace:
    """Seconds that a pixel takes: to be read by a worker, and by the model and what is round it."""

    reading: float
    computing: float


def effort(
    request: Request[Denoising], todo: Sequence[Series], workers: Workers, *, begun: float
) -> Effort | None:
    """What it takes to denoise some series.

    None where no trial can tell: nothing is to be done, no file can be read, or a slice does not
    fit into memory.

    Args:
        request: The job.
        todo: Its series.
        workers: Read.
        begun: When this process began to do what a run does too, by ``perf_counter``.
    """
    preparing = LOADING + perf_counter() - begun
    for series in sorted(todo, key=_slice, reverse=True)[:3]:  # a damaged file is not the end
        with suppress(DataError):
            reads = [_timed(partial(_read, request, series, workers)) for _ in range(4)]
            pixels, reading = sorted(reads[1:], key=itemgetter(1))[1]  # the first loads a codec
            for rung in (request.method.rung, *below(request.method.rung, by_slice=True)):
                with suppress(OutOfMemory, MemoryError):
                    computing = _compute(request, series, pixels, rung)
                    pace = Pace(reading / pixels.stored.size, computing)
                    return _whole(request, todo, pace, preparing, rung)
            return None
    return None


def _read(request: Request[Denoising], series: Series, workers: Workers) -> Pixels:
    first = _largest(series).frames[0].instance
    return workers.submit(formats.read, request.inputs.root, series.alone(first), 0).result()


def _compute(request: Request[Denoising], series: Series, pixels: Pixels, rung: Rung) -> float:
    """Seconds a pixel."""
    denoiser, group = request.method.denoiser, _largest(series)
    model = denoiser.model(series.modality)
    engine = Engine.on(
        rung,
        model,
        normaliser=denoiser.normaliser(series.modality),
        bf16=denoiser.dtype(series.modality, request.method.precision) == "bf16",
        ensemble=request.method.job.ensemble,
    )
    image = pixels.real[group.frames[0].number]
    scale = float(np.abs(image).max()) or 1.0
    given = Given(series.unit, scale, group.spacing, series.modality, sigma=0.05 * scale)
    if model.scope == "series":
        noise = np.random.default_rng(0).normal(0, 0.05 * scale, BLOCK)
        batch = (noise + image.mean()).astype(np.float32)
        small = batch[:2, :16, :16]
    else:
        count = min(rung.batch, len(group.frames))
        batch = np.broadcast_to(image, (count, model.context, *image.shape)).copy()
        small = batch[:1, :, :64, :64]
    engine.denoise(small.copy(), given)  # libraries find their ways
    _, seconds = _timed(lambda: engine.denoise(batch, given))
    _, storing = _timed(lambda: to_stored(pixels.real.copy(), pixels))
    return seconds / (batch.size / model.context) + storing / pixels.stored.size


def _whole(
    request: Request[Denoising], todo: Sequence[Series], pace: Pace, preparing: float, rung: Rung
) -> Effort:
    method, total = request.method, sum(pixels_of(series) for series in todo)
    looked_at = (series for series in todo if method.denoiser.measures(series.modality))
    again = sum(pixels_of(series) for series in looked_at)
    decoded = again + total * (1 if request.job.syntax == "explicit" else 2)
    staged = sum(len(series.instances) for series in todo)
    by_workers = (pace.reading * decoded + STAGING * staged) / method.workers
    computing = pace.computing * total / (method.workers if method.filter else 1)
    cuda = rung.device.startswith("cuda")
    return Effort(
        # One after the other: a machine that is shared lets them overlap little.
        seconds=preparing + computing + by_workers,
        memory=_peak()
        + max(_held(request, series, rung) for series in todo)
        + _workers(request, todo),
        device_memory=torch.cuda.max_memory_allocated(rung.device) if cuda else None,
        rung=str(rung),
    )


def _held(request: Request[Denoising], series: Series, rung: Rung) -> int:
    """Bytes of what is read ahead and not yet written."""
    model = request.method.denoiser.model(series.modality)
    if model.scope == "series":
        group = max(len(g.frames) * g.shape[0] * g.shape[1] for g in series.groups)
        return (HELD + model.holds) * group
    files = min(len(series.instances), rung.batch * (AHEAD + 1))
    return HELD * pixels_of(series) * files // len(series.instances)


def _workers(request: Request[Denoising], todo: Sequence[Series]) -> int:
    largest = max(pixels_of(series) // len(series.instances) for series in todo)
    return request.method.workers * (WORKER + WORKER_PIXEL * largest)


def _peak() -> int:
    """Bytes that this process had at most, the trial among them."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def _largest(series: Series) -> Group:
    return max(series.groups, key=lambda group: group.shape[0] * group.shape[1])


def _slice(series: Series) -> int:
    rows, columns = _largest(series).shape
    return rows * columns


def _timed(function: Callable[[], T]) -> tuple[T, float]:
    start = perf_counter()
    return function(), perf_counter() - start
