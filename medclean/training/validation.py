"""How good a model is on slices of other patients, with the same noise at each call."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from statistics import fmean
from typing import NamedTuple

import numpy as np
import torch
from skimage.metrics import structural_similarity

from medclean.catalog import NORMALISERS
from medclean.inference.engine import Engine
from medclean.inference.ladder import Rung
from medclean.learning.processes import gather, rank, world_size
from medclean.learning.turn import Learner
from medclean.models._base import Model
from medclean.signals import Stop
from medclean.training.pictures import Example
from medclean.training.samples import Samples, normaliser_for, scale_of_noisy, to_batch
from medclean.training.world import stop_together
from medclean.volume import Given, Image

SIGMAS = (0.05, 0.1, 0.2)  # of scale


class Held(NamedTuple):
    """A held-out slice with noise.

    Attributes:
        sigma: Of the noise, as a share of scale.
        clean: ``(H, W)``, in real-world units.
        noisy: ``(context, H, W)``, in real-world units.
        given: What is known about ``noisy``; ``scale`` is the clean series'.
        scale: Of the noisy series, for the normaliser.
    """

    sigma: float
    clean: Image
    noisy: Image
    given: Given
    scale: float


@dataclass(frozen=True)
class Validation:
    """Slices of other patients: whole ones for scores, patches for losses.

    Attributes:
        samples: Of the validation or the test split; for scores the first of its noises that has
            a sigma is used.
        count: About how many whole slices, evenly from all series.
        sigmas: Of their noise, as shares of scale.
        batches: Of patches.
    """

    samples: Samples
    count: int = 12
    sigmas: Sequence[float] = SIGMAS
    batches: int = 4

    @property
    def modality(self) -> str:
        """Of all slices."""
        return self.samples.slices.series[0].modality

    @property
    def normaliser(self) -> str:
        """What brings all slices to the network's range."""
        return normaliser_for(self.modality, self.samples.slices.series[0].normaliser)

    def scores(self, model: Model, device: torch.device, stop: Stop) -> dict[str, float]:
        """Means over the slices: ``{"psnr 0.1": 29.4, "ssim 0.1": 0.85, ...}``, PSNR in dB.

        Each process looks at its share of the slices.

        Raises:
            Stopped: ``stop`` said so.
        """
        rows: list[tuple[int, str, float]] = []
        ready = engine(model, self.normaliser, device)
        for number, held in enumerate(self):
            if stop.asked:
                break
            if number % world_size() != rank():
                continue
            result = denoised(ready, held)
            for name, value in compared(result, held.clean, float(held.given.scale)).items():
                rows.append((number, f"{name} {held.sigma:g}", value))
        stop_together(stop)
        return _means(rows)

    def examples(self, model: Model, device: torch.device) -> list[Example]:
        """One slice for each sigma, and what the model makes of it."""
        ready, shown = engine(model, self.normaliser, device), list[Example]()
        for held in replace(self, count=1):
            noisy, scale = held.noisy[len(held.noisy) // 2], float(held.given.scale)
            if held.sigma not in (example.sigma for example in shown):
                shown.append(Example(held.sigma, noisy, denoised(ready, held), held.clean, scale))
        return shown

    def before(self) -> dict[str, float]:
        """The same figures of the noisy images themselves."""
        rows: dict[str, list[float]] = {}
        for held in self:
            noisy = held.noisy[self.samples.context // 2]
            for name, value in compared(noisy, held.clean, float(held.given.scale)).items():
                rows.setdefault(f"{name} {held.sigma:g}", []).append(value)
        return {name: fmean(values) for name, values in rows.items()}

    def losses(self, learner: Learner, progress: float, device: torch.device) -> dict[str, float]:
        """Mean of each loss of each turn; nothing learns, and nothing is remembered."""
        remembered = {name: value.clone() for name, value in learner.training_state().items()}
        rows: list[tuple[int, str, float]] = []
        for k in range(rank(), self.batches, world_size()):
            batch = to_batch(self.samples[k], self.modality, device)
            batch = replace(batch, shared=learner.shared(batch))
            for turn in learner.turns(progress):
                for name, loss in (turn.losses(batch) if turn.repeats else {}).items():
                    rows.append((k, f"{turn.name}/{name}", float(loss.detach())))
        learner.load_training_state(remembered)
        return _means(rows)

    def __iter__(self) -> Iterator[Held]:
        slices, context = self.samples.slices, self.samples.context
        places = slices.spread(self.count)
        for level, sigma in enumerate(self.sigmas):
            for number, (series, axis, position) in enumerate(places):
                rng = np.random.default_rng((self.samples.seed, level, number))
                drawn = self.samples.noise.at(sigma, rng)
                stack = slices.stack(series, axis, position, context)
                given = drawn.given(series.given(axis))
                noisy = np.stack([drawn(np.asarray(image), rng, given) for image in stack])
                scale = scale_of_noisy(slices.pool(series), drawn, given, rng)
                yield Held(sigma, np.asarray(stack[context // 2]), noisy, given, scale)


def _means(rows: list[tuple[int, str, float]]) -> dict[str, float]:
    """The mean of each figure over all processes, in the order of one alone."""
    values: dict[str, list[float]] = {}
    for _, name, value in sorted(chain(*gather(rows)), key=lambda row: row[0]):
        values.setdefault(name, []).append(value)
    return {name: fmean(found) for name, found in values.items()}


def denoised(engine: Engine, held: Held) -> Image:
    """What users would get for a noisy slice, ``(H, W)`` in real-world units."""
    own = replace(held.given, scale=held.scale)
    images = held.noisy if engine.model.scope == "series" else held.noisy[None]
    result = engine.denoise(images.astype(np.float32), own)
    return result[len(result) // 2]


def engine(model: Model, normaliser: str, device: torch.device, *, bf16: bool = False) -> Engine:
    """A model as ``medclean denoise`` runs it, one slice at a time."""
    return Engine(model, NORMALISERS.make(normaliser), Rung(str(device), batch=1), bf16=bf16)


def compared(result: Image, clean: Image, scale: float) -> dict[str, float]:
    """PSNR with the peak ``scale``, in dB, and SSIM (Wang et al., 2004) with that range."""
    error = float(np.mean((result.astype(np.float64) - clean) ** 2))
    similar = structural_similarity(
        clean,
        result,
        data_range=scale,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return {"psnr": 10 * np.log10(scale**2 / error), "ssim": float(similar)}
