"""Batch k of a run, a function of (seed, k) and of nothing else.

The order is geometry, noise in real units, normalising, intensity. Any number of workers gives the
same stream, and a resumed run goes on in it.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from medclean.catalog import NORMALISERS
from medclean.errors import DataError
from medclean.jobs.train import TrainJob
from medclean.learning.batch import Batch
from medclean.models._base import Model
from medclean.training.augmentation import adjusted
from medclean.training.machine import Machine
from medclean.training.pairs import Pair, Pairing, Place
from medclean.training.slices import Slices
from medclean.volume import Given, Image

Arrays: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True)
class Samples(Dataset[Arrays]):
    """Patches of slices, noisy and clean.

    Attributes:
        slices: Where they are cut from.
        pairing: How a noisy one and a clean one come to be.
        patch: Width in pixels, in each part of the run; 0 for whole slices, of which those of a
            batch have one shape.
        batch: Patches a batch, in each part of the run.
        context: Neighbouring slices that a patch has.
        seed: Of the run.
        learns_from: Of the model: it gets the clean patch, that of other slices, or none.
        others: Whose clean patches those are; ``slices`` if not given.
        parts: Number of the batch that each part but the first begins with.
        share: Which of how many processes this one is; each makes its share of every batch.
    """

    slices: Slices
    pairing: Pairing
    patch: tuple[int, ...]
    batch: tuple[int, ...]
    context: int
    seed: int
    learns_from: Literal["pairs", "unpaired", "noisy"] = "pairs"
    others: Slices | None = None
    parts: tuple[int, ...] = ()
    share: tuple[int, int] = (0, 1)

    @classmethod
    def of(
        cls,
        job: TrainJob,
        model: Model,
        slices: Slices,
        pairing: Pairing,
        others: Slices | None = None,
    ) -> "Samples":
        """What a job asks for; all batches are of its first part, until ``staged`` says more."""
        return cls(
            slices,
            pairing,
            job.patch,
            job.batches,
            model.context,
            job.seed,
            model.learns_from,
            others,
        )

    def staged(self, parts: Sequence[int], share: tuple[int, int]) -> "Samples":
        """The same with parts of the run that begin at these batches, for one of the processes."""
        return replace(self, parts=tuple(parts), share=share)

    def __getitem__(self, k: int) -> Arrays:
        """Batch k as plain tensors, which cross from a worker to the run."""
        part = bisect_right(self.parts, k)
        first, step = self.share
        own, patch = range(first, self.batch[part], step), self.patch[part]
        alike = self if patch else self._of_one_shape(k)
        rows = [alike.sample(k, i, patch) for i in own]
        return {key: torch.from_numpy(np.stack([row[key] for row in rows])) for key in rows[0]}

    def sample(self, k: int, i: int, patch: int) -> dict[str, Image]:
        """Sample i of batch k: images ``(context, H, W)`` and ``(1, H, W)``, and what is known."""
        rng = np.random.default_rng((self.seed, k, i))
        noisy, clean, given = self._any(patch, rng)
        if self.learns_from == "unpaired":
            elsewhere = self if self.others is None else replace(self, slices=self.others)
            _, clean, _ = elsewhere._any(patch, rng)
        row = {
            "noisy": noisy.astype(np.float32),
            "clean": clean[None].astype(np.float32),
            "scale": np.full((1, 1, 1), given.scale, np.float32),
            "sigma": np.full((1, 1, 1), np.nan if given.sigma is None else given.sigma, np.float32),
            "spacing": np.reshape(given.spacing, (3, 1, 1, 1)).astype(np.float32),
        }
        return {key: row[key] for key in row if self.learns_from != "noisy" or key != "clean"}

    def _any(self, patch: int, rng: np.random.Generator) -> tuple[Image, Image, Given]:
        """Of any slice a patch, or with 0 all of it, noisy and clean, in the network's units."""
        place = self._drawn(rng)
        pair = self.pairing.patch(self.slices, place, patch, self.context, rng)
        normaliser = normaliser_for(place[0].modality, place[0].normaliser)
        noisy, clean, given = normalised(pair, NORMALISERS.make(normaliser))
        if self.pairing.augment != "all":
            return noisy, clean, given
        return adjusted(noisy, clean, given, rng)

    def _of_one_shape(self, k: int) -> "Samples":
        """The same with those slices alone that batch k can have."""
        series, axis, _ = self._drawn(np.random.default_rng((self.seed, k)))
        shape = self.slices.shape(series, axis)
        others = None if self.others is None else of_shape(self.others, shape)
        return replace(self, slices=of_shape(self.slices, shape), others=others)

    def _drawn(self, rng: np.random.Generator) -> Place:
        """Any slice."""
        odds = _odds(self.slices)
        series = self.slices.series[int(rng.choice(len(odds), p=odds))]
        axis, position = series.slices[int(rng.integers(len(series.slices)))]
        return series, axis, position


def of_shape(slices: Slices, shape: tuple[int, int]) -> Slices:
    """Those slices alone that have so many rows and columns.

    Raises:
        DataError: None has.
    """
    kept = []
    for series in slices.series:
        axes = [axis for axis in range(3) if slices.shape(series, axis) == shape]
        places = tuple(place for place in series.slices if place[0] in axes)
        kept += [replace(series, slices=places)] if places else []
    if not kept:
        raise DataError(f"no slice is {shape[0]}x{shape[1]}; learn from patches, --patch 128")
    return replace(slices, series=tuple(kept))


def _odds(slices: Slices) -> Image:
    """A series is drawn with the root of its slices, so that few do not fill the run."""
    roots = np.sqrt([len(series.slices) for series in slices.series])
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
    return Batch(arrays["noisy"], given, arrays.get("clean"))


def normalised(pair: Pair, normaliser: Any) -> tuple[Image, Image, Given]:
    """Noisy and clean in the network's units, by the scale of the noisy series; what is known."""
    own = replace(pair.given, scale=pair.scale)
    noisy, given = normaliser.forward(pair.noisy, own)
    clean, _ = normaliser.forward(pair.clean, own)
    return noisy, clean, given


def normaliser_for(modality: str, stated: str = "") -> str:
    """What brings images to a network's range: as their data set states, else by modality."""
    return stated or ("ct" if modality == "CT" else "scale")
