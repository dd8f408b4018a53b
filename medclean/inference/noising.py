"""Images that noise is added to in the process that reads and writes them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from medclean.archive.numbers import Pixels, Stored
from medclean.archive.remaking import Place
from medclean.archive.series import Series, key_of
from medclean.inference.batches import visible
from medclean.inference.measured import frames
from medclean.inference.statistics import Statistics
from medclean.physics.noise._chain import Chain
from medclean.physics.signal.body import body_mask
from medclean.physics.signal.noise_level import noise_level, series_noise_level
from medclean.volume import Given, Image


def generator(seed: int, series: Series, number: int) -> np.random.Generator:
    """What an image's noise is drawn from: the same whatever else is selected, in any order.

    Args:
        seed: Of the run.
        series: Of the image's file, ``alone``.
        number: Of the image in its file.
    """
    file = series.instances[0]
    name = key_of((file.uid or file.path, str(file.occurrence), str(number)))
    return np.random.default_rng((seed, series.seed, int(name, 16)))


@dataclass(frozen=True)
class Noising:
    """How the images of a series get their noise: a ``Change``.

    Attributes:
        chain: The noises.
        statistics: Of the series.
        seed: Of the run.
        device: Where sinograms are computed.
    """

    chain: Chain
    statistics: Statistics
    seed: int
    device: str = "cpu"

    def image(self, pixels: Pixels, number: int, series: Series, place: Place) -> Image:
        """One image ``(rows, columns)`` with noise, in the series' unit."""
        given = self.given(series, place.spacing)
        image = visible(pixels.real[0], pixels.padding[0])
        noisy = self.chain(image, generator(self.seed, series, number), given)
        return noisy.astype(np.float32, copy=False)

    def given(self, series: Series, spacing: tuple[float, float, float]) -> Given:
        """What is known about an image; the noise level is that of the source."""
        found = self.statistics
        sigma = found.sigma or None
        return Given(
            series.unit, found.scale, spacing, series.modality, sigma=sigma, device=self.device
        )

    def figures(self, before: Pixels, stored: Stored, modality: str) -> Mapping[str, Any] | None:
        """See ``noise_of``."""
        return noise_of(before, stored, modality)


@dataclass(frozen=True)
class Part:
    """What the body of some slices says about added noise.

    Attributes:
        voxels: How many.
        sum: Of after - before, in the series' unit.
        squares: Of after - before.
        levels: Noise level of each slice that shows any, after.
    """

    voxels: int
    sum: float
    squares: float
    levels: Sequence[float]


class Measured(NamedTuple):
    """Noise of a series, in its unit.

    Attributes:
        added: Standard deviation of after - before within the body; None where nothing changed.
        after: Noise level of the result, measured from it alone.
    """

    added: float | None
    after: float | None


def noise_of(before: Pixels, stored: Stored, modality: str) -> Mapping[str, Any] | None:
    """What a file adds to that, as a ``Part``; None where not a bit of it changed."""
    if not stored.changed:
        return None
    parts = list(_parts(before, stored, modality))
    levels = [level for part in parts for level in part.levels if level > 0]
    sums = (sum(part.voxels for part in parts), *_sums(parts))
    return asdict(Part(*sums, levels))


def measured(parts: Sequence[Part]) -> Measured:
    """What the parts of a series say together."""
    voxels, (total, squares) = sum(part.voxels for part in parts), _sums(parts)
    levels = [level for part in parts for level in part.levels]
    added = sqrt(max(0.0, squares / voxels - (total / voxels) ** 2)) if voxels else None
    return Measured(added, series_noise_level(levels) if levels else None)


def _sums(parts: Sequence[Part]) -> tuple[float, float]:
    return sum(part.sum for part in parts), sum(part.squares for part in parts)


def _parts(before: Pixels, stored: Stored, modality: str) -> Iterator[Part]:
    for image, after, padding in frames(before, stored):
        body = body_mask(visible(image, padding), modality) & ~padding
        inside = body if body.any() else ~padding
        change = (after - image)[inside].astype(np.float64)
        level = noise_level(after, ~padding)
        yield Part(change.size, float(change.sum()), float(np.square(change).sum()), [level])
