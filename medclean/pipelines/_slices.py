"""Slices through an engine in this process, while workers read and write."""

from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medclean.archive import formats
from medclean.archive.numbers import Pixels
from medclean.archive.series import Frame, Series
from medclean.device import machine_class
from medclean.errors import Stopped
from medclean.inference.batches import Cut, cut, read_ahead, visible
from medclean.inference.engine import Engine
from medclean.inference.ladder import OutOfMemory, Rung
from medclean.inference.statistics import Statistics
from medclean.pipelines._output import Output
from medclean.volume import Given, Image

if TYPE_CHECKING:
    from medclean.pipelines._work import Work

PATIENCE = 10.0  # seconds that a stopped run may take to stage what is computed
AHEAD = 4  # batches that are read while one is computed


class Slices:
    """A way to compute a series: batch by batch, as memory allows.

    Args:
        work: What it takes.
        rung: Device, batch and tiles.
        modality: Of the series.
    """

    def __init__(self, work: "Work", rung: Rung, modality: str) -> None:
        self.work, self.rung = work, rung
        self.dtype = work.denoiser.dtype(modality, work.precision)
        self.engine = Engine.on(
            rung,
            work.denoiser.model(modality),
            normaliser=work.denoiser.normaliser(modality),
            bf16=self.dtype == "bf16",
            strength=work.job.strength,
            ensemble=work.job.ensemble,
        )

    @property
    def machine(self) -> dict[str, Any]:
        """All that rounding depends on."""
        where = torch.device(self.rung.device)
        return machine_class(where, self.dtype, batch=self.rung.batch, tile=self.rung.tile)

    def compute(self, series: Series, output: Output, figures: Statistics) -> None:
        """Put every batch into the output that it does not have yet.

        Raises:
            OutOfMemory: A batch does not fit; nothing of the series is still being written.
            Stopped: A signal came; what was computed is staged.
        """
        work, engine = self.work, self.engine
        batch = self.rung.batch if engine.model.scope == "slice" else None
        cuts = cut(series, batch=batch, context=engine.model.context)
        todo = [c for c in cuts if not all(output.has(f.instance) for f in c.own)]
        work.bar.advance(sum(len(c.own) for c in cuts) - sum(len(c.own) for c in todo))
        read = partial(self._read, series)
        try:
            for this, pixels in read_ahead(todo, read, ahead=AHEAD if batch else 0):
                work.stop.check()
                images, given = self._prepared(series, this, pixels, figures)
                if this is todo[0] and (change := engine.tiles_differ(images, given)) is not None:
                    output.facts["tiles_differ"] = change
                denoised = engine.denoise(images, given)
                for frame, image in zip(this.own, denoised, strict=True):
                    output.put(frame, image, pixels[frame.instance])
                work.bar.advance(len(this.own))
        except Stopped:
            output.abandon(PATIENCE)
            raise
        except (OutOfMemory, MemoryError):  # the next attempt writes the same paths
            output.cancel()
            raise

    def _read(self, series: Series, instance: int) -> "Future[Pixels]":
        work = self.work
        return work.workers.submit(formats.read, work.root, series.alone(instance), 0)

    def _prepared(
        self, series: Series, this: Cut, pixels: Mapping[int, Pixels], figures: Statistics
    ) -> tuple[Image, Given]:
        """The images of a batch, and what is known about them."""
        group, seed = series.groups[this.group], self.work.job.seed
        given = Given(
            series.unit,
            figures.scale,
            group.spacing,
            series.modality,
            sigma=figures.sigma,
            rng=np.random.default_rng((seed, int(series.key, 16), this.group, this.start)),
            progress=self._progress,
        )
        if self.engine.model.scope == "series":
            return np.stack([_seen(pixels, frame) for frame in this.own]), given
        windows = [[_seen(pixels, frame) for frame in window] for window in this.windows]
        return np.array(windows), given

    def _progress(self, share: float) -> None:
        """What a model of whole series calls now and then: it may take an hour for one."""
        work = self.work
        work.stop.check()
        work.bar.note(f"{work.denoiser.name} on {self.rung.device}, {share:.0%} of a series")


def _seen(pixels: Mapping[int, Pixels], frame: Frame) -> Image:
    file = pixels[frame.instance]
    return visible(file.frame(frame.number).real[0], file.padding[frame.number])
