"""Slices through an engine in this process."""

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medclean.archive.numbers import Pixels
from medclean.archive.series import Series
from medclean.device import machine_class
from medclean.inference.batches import Cut, cut
from medclean.inference.engine import Engine
from medclean.inference.ladder import Rung
from medclean.inference.statistics import Statistics
from medclean.pipelines._here import AHEAD, feed, seen
from medclean.pipelines._output import Output
from medclean.pipelines._work import Work
from medclean.volume import Given, Image

if TYPE_CHECKING:
    from medclean.pipelines._denoising import Denoising


class Slices:
    """A way to compute a series: batch by batch, as memory allows.

    Args:
        work: What it takes.
        how: The model, and how it is used.
        rung: Device, batch and tiles.
        modality: Of the series.
    """

    def __init__(self, work: Work, how: "Denoising", rung: Rung, modality: str) -> None:
        self.work, self.how, self.rung = work, how, rung
        self.dtype = how.denoiser.dtype(modality, how.precision)
        self._began = 0.0  # the batch at hand
        self.engine = Engine.on(
            rung,
            how.denoiser.model(modality),
            normaliser=how.denoiser.normaliser(modality),
            bf16=self.dtype == "bf16",
            strength=how.job.strength,
            ensemble=how.job.ensemble,
        )

    @property
    def machine(self) -> dict[str, Any]:
        """All that rounding depends on."""
        where = torch.device(self.rung.device)
        return machine_class(where, self.dtype, batch=self.rung.batch, tile=self.rung.tile)

    def compute(self, series: Series, output: Output, statistics: Statistics) -> None:
        """Put every batch into the output that it does not have yet.

        Raises:
            OutOfMemory: A batch does not fit; nothing of the series is still being written.
            Stopped: A signal came; what was computed is staged.
        """
        engine = self.engine
        batch = self.rung.batch if engine.model.scope == "slice" else None
        cuts = cut(series, batch=batch, context=engine.model.context)
        todo = [c for c in cuts if not all(output.has(f.instance) for f in c.own)]
        self.work.bar.advance(sum(len(c.own) for c in cuts) - sum(len(c.own) for c in todo))

        def compute(this: Cut, pixels: Mapping[int, Pixels]) -> Image:
            images, given = self._prepared(series, this, pixels, statistics)
            if this is todo[0] and (change := engine.tiles_differ(images, given)) is not None:
                output.facts["tiles_differ"] = change
            self._began = monotonic()
            return engine.denoise(images, given)

        feed(self.work, series, output, todo, compute, ahead=AHEAD if batch else 0)

    def _prepared(
        self, series: Series, this: Cut, pixels: Mapping[int, Pixels], statistics: Statistics
    ) -> tuple[Image, Given]:
        """The images of a batch, and what is known about them."""
        group, seed = series.groups[this.group], self.how.job.seed
        given = Given(
            series.unit,
            statistics.scale,
            group.spacing,
            series.modality,
            sigma=statistics.sigma,
            interpolated=statistics.interpolated[this.group] if statistics.interpolated else (1, 1),
            rng=np.random.default_rng((seed, series.seed, this.group, this.start)),
            progress=self._progress,
        )
        if self.engine.model.scope == "series":
            return np.stack([seen(pixels, frame) for frame in this.own]), given
        windows = [[seen(pixels, frame) for frame in window] for window in this.windows]
        return np.array(windows), given

    def _progress(self, share: float) -> None:
        """What a model of whole series calls now and then: it may take an hour for one."""
        work = self.work
        work.stop.check()
        minutes = int(monotonic() - self._began) // 60
        since = f" after {minutes} min" if minutes else ""
        work.bar.note(f"{self.how.name} on {self.rung.device}, {share:.0%} of a series{since}")
