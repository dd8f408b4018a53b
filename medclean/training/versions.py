"""Noisy versions of a series that lie in the cache: what a data set recorded, what is slow to draw.

A noise that begins in the sinogram or in k-space takes whole slices, and longer than a training
step. So a few realisations of it are kept, each with its seed, and mapped into memory.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from medclean.archive.dataset import Case
from medclean.errors import DataError
from medclean.physics.noise._chain import Chain
from medclean.physics.signal.noise_level import middle, noise_level, series_noise_level
from medclean.signals import Stop
from medclean.training.arrays import mapped, room, save
from medclean.training.noise import Noise
from medclean.volume import Given, Image, Volume, scale_of

RECORDED = "recorded"  # label of what a data set has


@dataclass(frozen=True)
class Version:
    """A noisy version.

    Attributes:
        file: Name of its ``.npy`` file, of the shape and in the unit of the clean series.
        label: What it is called in figures: the noise's name, or ``"recorded"``.
        sigma: Standard deviation of its noise, in the unit.
        scale: What the normaliser finds in it.
    """

    file: str
    label: str
    sigma: float
    scale: float


@dataclass(frozen=True)
class Kept:
    """Which versions are kept.

    Attributes:
        noise: That is slow to draw; None for none.
        count: Realisations of each series.
        seed: Of the run.
        device: Where what begins in a sinogram is computed.
    """

    noise: Noise | None = None
    count: int = 1
    seed: int = 0
    device: str = "cpu"

    def versions(
        self, case: Case, clean: Volume, sigma: float, path: Path, stop: Stop
    ) -> Iterator[Version]:
        """Make those of a case.

        Args:
            case: What is learnt from.
            clean: Its slices, as they lie in the cache.
            sigma: Of the noise that they have, in their unit.
            path: Of the clean file; theirs are made of it.
            stop: Looked at before each slice that takes long.

        Raises:
            DataError: The two of a pair are not of one shape and unit.
            Stopped: ``stop`` said so.
        """
        if case.noisy is not None:
            yield _recorded(case.noisy, clean, path.with_name(f"noisy-{path.name}"))
        if self.noise is not None:
            given = clean.given(sigma=sigma, device=self.device)
            for number in range(self.count):
                key = (self.seed, int(path.stem), number)
                chain = self.noise.draw(np.random.default_rng(key))
                to = path.with_name(f"noisy-{number}-{path.name}")
                yield _drawn(chain, clean, given, key, to, stop)


def _drawn(
    chain: Chain, clean: Volume, given: Given, key: tuple[int, ...], path: Path, stop: Stop
) -> Version:
    """All slices at one level, as a scan has one dose; each with a draw of its own.

    What was made before a stop is whole, and taken as it is.
    """
    if not path.is_file():
        part = path.with_suffix(".part")
        array = room(part, clean.array.shape)

        def draw(place: int) -> None:
            stop.check()
            rng = np.random.default_rng((*key, place))
            array[place] = chain(clean.array[place], rng, given)

        with _hands(given.device) as hands:
            for _ in hands.map(draw, range(len(array))):
                pass  # what one raises is raised here, and those that wait are left out
        array.flush()
        part.replace(path)
    noisy = mapped(path)
    known = chain.given(given).sigma
    level = _measured(noisy) if known is None else float(known)
    return Version(path.name, "+".join(chain.names), level, scale_of(noisy, clean.modality))


@contextmanager
def _hands(device: str) -> Iterator[Executor]:
    """Threads that draw a slice each, by themselves; one where a GPU computes.

    A slice takes thousands of short steps. Threads that share each of them wait for each other at
    its end, for most of the time where the machine has other work too.
    """
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(count if device == "cpu" else 1) as hands:
            yield hands
    finally:
        torch.set_num_threads(count)


def _recorded(case: Case, clean: Volume, path: Path) -> Version:
    volume = case.read()
    for what, own, other in (
        ("shape", volume.array.shape, clean.array.shape),
        ("unit", volume.unit, clean.unit),
    ):
        if own != other:
            raise DataError(f"{case.name} has {what} {own}, its clean image {other}; prepare anew")
    save(path, volume.array)
    sigma = _measured(volume.array) if case.noise is None else case.noise * volume.scale
    return Version(path.name, RECORDED, sigma, volume.scale)


def _measured(array: Image) -> float:
    """Noise level of a series, as it is measured where nobody states one."""
    return series_noise_level(noise_level(array[place]) for place in middle(len(array)))
