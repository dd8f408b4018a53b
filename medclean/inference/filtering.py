"""Images that a filter changes in the process that reads and writes them; needs no torch."""

from dataclasses import dataclass

import numpy as np

from medclean.archive.numbers import Pixels
from medclean.archive.remaking import Place
from medclean.archive.series import Series
from medclean.inference.batches import visible
from medclean.inference.measured import safety_of
from medclean.inference.statistics import Statistics
from medclean.models._filter import Filter
from medclean.volume import Given, Image


@dataclass(frozen=True)
class Filtering:
    """How the images of a series are filtered.

    Attributes:
        filter: What filters them.
        statistics: Of the series.
        strength: Share of the change that is kept, 0 to 1.
        seed: Of the run.
    """

    filter: Filter
    statistics: Statistics
    strength: float = 1.0
    seed: int = 0

    figures = staticmethod(safety_of)

    def image(self, pixels: Pixels, number: int, series: Series, place: Place) -> Image:
        """One image ``(rows, columns)`` filtered, in the series' unit."""
        given = Given(
            series.unit,
            self.statistics.scale,
            place.spacing,
            series.modality,
            sigma=self.statistics.sigma,
            rng=np.random.default_rng((self.seed, series.seed, place.group, place.place)),
        )
        noisy = visible(pixels.real[0], pixels.padding[0])[None]
        denoised = self.filter.denoise(noisy[None], given)[0].astype(np.float32, copy=False)
        if self.strength == 1.0:
            return denoised[0]
        return (noisy + np.float32(self.strength) * (denoised - noisy))[0]
