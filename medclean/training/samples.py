"""Batch k of a run, a function of (seed, k) and of nothing else.

The order is geometry, noise in real units, normalising, intensity. Any number of workers gives the
same stream, and a resumed run goes on in it.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any, TypeAlias

import numpy as np
import torch
from scipy.ndimage import affine_transform
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from medclean.catalog import NORMALISERS
from medclean.jobs.train import TrainJob
from medclean.learning.batch import Batch
from medclean.physics.noise._chain import Chain
from medclean.training.machine import Machine
from medclean.training.noise import Noise
from medclean.training.slices import Slices
from medclean.volume import Given, Image, scale_of

Arrays: TypeAlias = dict[str, Tensor]

TURNED = 0.25  # share of the patches that are turned by any angle and stretched
ANGLE = 15.0  # degrees
STRETCH = (0.9, 1.1)
BRIGHTNESS = (0.8, 1.1)  # factor on both images
TRIES = 4  # patches to choose from where the first show nothing


@dataclass(frozen=True)
class Samples(Dataset[Arrays]):
    """Patches of clean slices with noise.

    Attributes:
        slices: Where they are cut from.
        noise: What is added.
        patch: Width in pixels, in each part of the run.
        batch: Patches a batch, in each part of the run.
        context: Neighbouring slices that a patch has.
        seed: Of the run.
        parts: Number of the batch that each part but the first begins with.
        share: Which of how many processes this one is; each makes its share of every batch.
    """

    slices: Slices
    noise: Noise
    patch: tuple[int, ...]
    batch: tuple[int, ...]
    context: int
    seed: int
    parts: tuple[int, ...] = ()
    share: tuple[int, int] = (0, 1)

    @classmethod
    def of(cls, job: TrainJob, slices: Slices, noise: Noise, context: int) -> "Samples":
        """What a job asks for; all batches are of its first part, until ``staged`` says more."""
        sizes = job.batch * (len(job.patch) if len(job.batch) == 1 else 1)
        return cls(slices, noise, job.patch, sizes, context, job.seed)

    def staged(self, parts: Sequence[int], share: tuple[int, int]) -> "Samples":
        """The same with parts of the run that begin at these batches, for one of the processes."""
        return replace(self, parts=tuple(parts), share=share)

    def __getitem__(self, k: int) -> Arrays:
        """Batch k as plain tensors, which cross from a worker to the run."""
        part = bisect_right(self.parts, k)
        first, step = self.share
        own = range(first, self.batch[part], step)
        rows = [self.sample(k, i, self.patch[part]) for i in own]
        return {key: torch.from_numpy(np.stack([row[key] for row in rows])) for key in rows[0]}

    def sample(self, k: int, i: int, patch: int) -> dict[str, Image]:
        """Sample i of batch k: images ``(context, H, W)`` and ``(1, H, W)``, and what is known."""
        rng = np.random.default_rng((self.seed, k, i))
        series = self.slices.series[int(rng.choice(len(self._odds), p=self._odds))]
        axis, position = series.slices[int(rng.integers(len(series.slices)))]
        stack = self.slices.stack(series, axis, position, self.context)
        clean = cut(stack, patch, series.bright, rng)
        noise = self.noise.draw(rng)
        given = noise.given(series.given(axis))
        noisy = np.stack([noise(image, rng, given) for image in clean])
        scale = scale_of_noisy(self.slices.pool(series), noise, given, rng)
        middle = self.context // 2
        normaliser = NORMALISERS.make(normaliser_for(series.modality, series.normaliser))
        images, known = normalised([noisy, clean[middle : middle + 1]], given, scale, normaliser)
        factor = 1.0 if given.modality == "CT" else rng.uniform(*BRIGHTNESS)  # HU are HU
        known = known.times(factor)
        return {
            "noisy": (images[0] * factor).astype(np.float32),
            "clean": (images[1] * factor).astype(np.float32),
            "scale": np.full((1, 1, 1), known.scale, np.float32),
            "sigma": np.full((1, 1, 1), np.nan if known.sigma is None else known.sigma, np.float32),
            "spacing": np.reshape(given.spacing, (3, 1, 1, 1)).astype(np.float32),
        }

    @cached_property
    def _odds(self) -> Image:
        """A series is drawn with the root of its slices, so that few do not fill the run."""
        roots = np.sqrt([len(series.slices) for series in self.slices.series])
        return roots / roots.sum()


def batches(samples: Samples, start: int, machine: Machine) -> Iterator[Batch]:
    """The batches of a run from number ``start`` on, without end.

    Args:
        samples: What they are made of.
        start: Number of the first.
        machine: Where they are needed, and how many processes make them ahead.
    """
    modality = samples.slices.series[0].modality
    loader = DataLoader(
        samples,
        batch_size=None,
        sampler=count(start),
        num_workers=machine.workers,
        pin_memory=machine.device.type == "cuda",
    )
    for arrays in loader:
        yield to_batch(arrays, modality, machine.device)


def to_batch(arrays: Arrays, modality: str, device: torch.device) -> Batch:
    """What a learner sees, where it computes."""
    known = not bool(arrays["sigma"].isnan().any())
    arrays = {key: value.to(device, non_blocking=True) for key, value in arrays.items()}
    sigma = arrays["sigma"] if known else None
    spacing = arrays["spacing"].unbind(1)
    given = Given("1", arrays["scale"], spacing, modality, sigma)  # type: ignore[arg-type]  # tensors
    return Batch(arrays["noisy"], given, arrays["clean"])


def cut(stack: Image, patch: int, bright: float, rng: np.random.Generator) -> Image:
    """A patch of a slice and its neighbours: placed, flipped, turned, at times stretched.

    Args:
        stack: ``(context, H, W)``; mirrored at its edges where it is smaller than the patch.
        patch: Width of the result.
        bright: Value above which there is content.
        rng: Decides.
    """
    turned = rng.random() < TURNED
    width = patch + patch // 2 if turned else patch  # 1.36 of it is needed at most
    for _ in range(TRIES):
        piece = _piece(stack, width, rng)
        if (piece > bright).mean() > 0.1:
            break
    piece = _turn(piece, patch, rng) if turned else piece
    if rng.random() < 0.5:
        piece = piece[:, :, ::-1]
    return np.ascontiguousarray(np.rot90(piece, int(rng.integers(4)), (1, 2)), dtype=np.float32)


def scale_of_noisy(pool: Image, noise: Chain, given: Given, rng: np.random.Generator) -> float:
    """What the normaliser would find: the scale of the series with this noise."""
    if given.modality == "CT":
        return given.scale  # type: ignore[return-value]  # of one image, so a float
    return scale_of(noise(np.asarray(pool), rng, given), given.modality)


def normalised(
    images: Sequence[Image], given: Given, scale: float, normaliser: Any
) -> tuple[list[Image], Given]:
    """Images in the network's units, all by the scale of the noisy series, and what is known."""
    own = replace(given, scale=scale)
    done = [normaliser.forward(image, own) for image in images]
    return [image for image, _ in done], done[0][1]


def normaliser_for(modality: str, stated: str = "") -> str:
    """What brings images to a network's range: as their data set states, else by modality."""
    return stated or ("ct" if modality == "CT" else "scale")


def _piece(stack: Image, width: int, rng: np.random.Generator) -> Image:
    """A window of this width, anywhere."""
    _, rows, columns = stack.shape
    top = int(rng.integers(max(rows - width, 0) + 1))
    left = int(rng.integers(max(columns - width, 0) + 1))
    piece = np.asarray(stack[:, top : top + width, left : left + width])
    missing = [(0, 0), *((0, width - side) for side in piece.shape[1:])]
    return np.pad(piece, missing, mode="symmetric") if sum(missing[1] + missing[2]) else piece


def _turn(piece: Image, patch: int, rng: np.random.Generator) -> Image:
    """Turn and stretch about the middle, by cubic splines, down to the width of a patch."""
    angle = np.deg2rad(rng.uniform(-ANGLE, ANGLE))
    zoom = 1 / rng.uniform(*STRETCH)
    matrix = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = (np.array(piece.shape[1:]) - 1) / 2
    offset = middle - matrix @ np.full(2, (patch - 1) / 2)
    planes = [
        affine_transform(plane, matrix, offset, (patch, patch), order=3, mode="mirror")
        for plane in piece
    ]
    low = float(piece.min())
    return np.stack([np.maximum(plane, low) for plane in planes])  # splines ring below nothing
