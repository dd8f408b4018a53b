"""A model made ready for a series: device, precision, normaliser, tiles, blend."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medclean.inference.ensemble import ensemble
from medclean.inference.frozen import frozen, thinned
from medclean.inference.ladder import OutOfMemory, Rung, running_out_as
from medclean.inference.tiles import by_tiles
from medclean.models._base import Model
from medclean.models._filter import Filter
from medclean.physics.signal.interpolation import fill, thin
from medclean.volume import Given, Image

OVERLAP = 64  # pixels, of tiles that are given statistics: far details matter little then


@dataclass(frozen=True)
class Engine:
    """Takes slices in real-world units through a model and back.

    Attributes:
        model: Already where it computes, in evaluation mode.
        normaliser: An item of NORMALISERS; None for a model that works in real units.
        rung: Device, batch and tiles.
        bf16: Whether the network computes in bfloat16 where autocast holds that to be safe.
        strength: Share of the change that is kept, 0 to 1.
        ensemble: Whether slices are denoised in their eight flips and rotations, and averaged.
    """

    model: Model
    normaliser: Any
    rung: Rung
    bf16: bool = False
    strength: float = 1.0
    ensemble: bool = False

    @classmethod
    def on(cls, rung: Rung, made: Model | Filter, **settings: Any) -> "Engine":
        """Move a model to the device of a rung and make it ready; float32 is float32 there."""
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        model = Model.of(made).to(rung.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]  # torch's stub lacks it
        return cls(model, rung=rung, **settings)

    def denoise(self, images: Image, given: Given) -> Image:
        """Denoise a batch, of images that were interpolated the samples that they were made of.

        Of these, what was removed is interpolated in its turn and taken off the images: what they
        hold beyond their samples stays as it is.

        Args:
            images: ``(N, C, H, W)`` for a model of slices, ``(S, H, W)`` for one of series, in
                the unit that ``given`` states.
            given: What is known about them.

        Returns:
            ``(N, H, W)`` or ``(S, H, W)`` in the same unit.

        Raises:
            OutOfMemory: The batch does not fit; try the next rung of the ladder.
        """
        source = _own(images)
        if given.interpolated == (1, 1):
            result = self._denoised(images, given)
        else:
            samples = thin(images, given.interpolated)
            removed = _own(samples) - self._denoised(samples, given)
            result = source - fill(removed, source.shape)
        if self.strength == 1.0:
            return result
        return source + np.float32(self.strength) * (result - source)

    def _denoised(self, images: Image, given: Given) -> Image:
        with running_out_as(lambda: OutOfMemory(str(self.rung))):
            denoised = self._denoise(torch.from_numpy(images).to(self.rung.device), given)
        return denoised.float().cpu().numpy().reshape(_own(images).shape)

    def _denoise(self, images: Tensor, given: Given) -> Tensor:
        if self.normaliser is None:
            return self._compute(images, given)
        normal, known = self.normaliser.forward(images, given)
        own = images if images.ndim == 3 else images[:, [images.shape[1] // 2]]
        return self.normaliser.inverse(self._compute(normal, known), given, own)

    def _compute(self, images: Tensor, given: Given) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16):
            if self.model.scope == "series":
                return self.model.denoise(images, given).float()
            whole = partial(self._slices, given=given)
            return ensemble(whole)(images) if self.ensemble else whole(images)

    def _slices(self, images: Tensor, given: Given) -> Tensor:
        """Whole slices ``(N, C, H, W)``, in tiles where the rung says so."""
        images = images.contiguous(memory_format=torch.channels_last)

        def forward(part: Tensor) -> Tensor:
            return self.model.denoise(part, given).float()

        tile, reach, stride = self.rung.tile, self.model.receptive_field, self.model.stride
        if tile is None or max(images.shape[-2:]) <= tile:
            return forward(images)
        if reach is not None:
            return by_tiles(forward, images, tile, overlap=reach, stride=stride)
        with frozen(self.model, forward, thinned(images)):
            return by_tiles(forward, images, tile, overlap=OVERLAP, stride=stride)

    def tiles_differ(self, images: Image, given: Given) -> float | None:
        """What tiles change where a model's output depends on the whole slice; None where nothing.

        Measured on the first slice thinned, which fits whole where others do not: RMS of the
        change as a share of what is removed.
        """
        model, tile = self.model, self.rung.tile
        if tile is None or model.receptive_field is not None or model.scope == "series":
            return None
        if given.interpolated != (1, 1):
            images, given = thin(images, given.interpolated), replace(given, interpolated=(1, 1))
        if max(images.shape[-2:]) <= tile:
            return None
        small = images[:1, ..., ::2, ::2].copy()
        tiles = replace(self, strength=1.0, rung=replace(self.rung, tile=tile // 2))
        whole = replace(tiles, rung=replace(self.rung, tile=None)).denoise(small, given)
        change = tiles.denoise(small, given) - whole
        removed = whole - _own(small)
        return float(np.sqrt(np.mean(change**2) / (np.mean(removed**2) or 1.0)))


def _own(images: Image) -> Image:
    """The slices themselves, without their neighbours."""
    return images if images.ndim == 3 else images[:, images.shape[1] // 2]
