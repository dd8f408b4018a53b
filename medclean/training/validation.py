"""How good a model is on slices of other patients, with the same noise at each call."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from medclean.catalog import NORMALISERS
from medclean.inference.engine import Engine
from medclean.inference.ladder import Rung
from medclean.learning.processes import gather, rank, world_size
from medclean.learning.turn import Learner
from medclean.models._base import Model
from medclean.physics.signal.noise_level import noise_level
from medclean.signals import Stop
from medclean.training.pairs import Held, Pair
from medclean.training.pictures import Example
from medclean.training.samples import Samples, normaliser_for, to_batch
from medclean.training.world import stop_together
from medclean.volume import Image

FLOAT32 = float(np.finfo(np.float32).eps)  # of a scale: what is smaller is rounding
SIGMAS = (0.05, 0.1, 0.2)  # of scale


@dataclass(frozen=True)
class Validation:
    """Slices of other patients: whole ones for scores, patches for losses.

    Attributes:
        samples: Of the validation or the test split; for scores the first of its noises that has
            a sigma is used, at given levels, where noise is drawn and one has.
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

        What is not at a level of sigma goes by its name, as ``"psnr recorded"``.

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
            result = denoised(ready, held.pair)
            for name, value in compared(result, held.pair.clean, held.pair.peak).items():
                rows.append((number, f"{name} {held.label}", value))
        stop_together(stop)
        return _means(rows)

    def examples(self, model: Model, device: torch.device) -> list[Example]:
        """One slice for each level, and what the model makes of it."""
        ready, shown = engine(model, self.normaliser, device), dict[str, Example]()
        for label, pair in replace(self, count=1):
            if label not in shown:
                noisy = pair.noisy[len(pair.noisy) // 2]
                shown[label] = Example(label, noisy, denoised(ready, pair), pair.clean)
        return [*shown.values()]

    def before(self) -> dict[str, float]:
        """The same figures of the noisy images themselves."""
        rows: dict[str, list[float]] = {}
        for label, pair in self:
            noisy = pair.noisy[self.samples.context // 2]
            for name, value in compared(noisy, pair.clean, pair.peak).items():
                rows.setdefault(f"{name} {label}", []).append(value)
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
        samples = self.samples
        slices, places = samples.slices, samples.slices.spread(self.count)
        for level, sigma in enumerate(samples.pairing.levels(slices, self.sigmas)):
            for number, place in enumerate(places):
                rng = np.random.default_rng((samples.seed, level, number))
                yield samples.pairing.held(slices, place, samples.context, sigma, rng)


def _means(rows: list[tuple[int, str, float]]) -> dict[str, float]:
    """The mean of each figure over all processes, in the order of one alone."""
    values: dict[str, list[float]] = {}
    for _, name, value in sorted(chain(*gather(rows)), key=lambda row: row[0]):
        values.setdefault(name, []).append(value)
    return {name: fmean(found) for name, found in values.items()}


def denoised(engine: Engine, pair: Pair) -> Image:
    """What users would get for a noisy slice, ``(H, W)`` in real-world units.

    A noise level that nobody knows is measured for a model that asks for it, as it is for users.
    """
    own = replace(pair.given, scale=pair.scale)
    if own.sigma is None and engine.model.wants_sigma:
        own = replace(own, sigma=noise_level(pair.noisy[len(pair.noisy) // 2]))
    images = pair.noisy if engine.model.scope == "series" else pair.noisy[None]
    result = engine.denoise(images.astype(np.float32), own)
    return result[len(result) // 2]


def engine(model: Model, normaliser: str, device: torch.device, *, bf16: bool = False) -> Engine:
    """A model as ``medclean denoise`` runs it, one slice at a time."""
    return Engine(model, NORMALISERS.make(normaliser), Rung(str(device), batch=1), bf16=bf16)


def compared(result: Image, clean: Image, scale: float) -> dict[str, float]:
    """PSNR with the peak ``scale``, in dB, and SSIM (Wang et al., 2004) with that range.

    What differs by less than float32 can tell has the PSNR of that, 138 dB.
    """
    error = max(rms(result.astype(np.float64) - clean), scale * FLOAT32)
    similar = structural_similarity(
        clean,
        result,
        data_range=scale,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return {"psnr": 20 * np.log10(scale / error), "ssim": float(similar)}


def rms(values: NDArray[np.float64]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(values**2)))
