"""MIRNet: residual groups whose units serve twice (Zamir et al., 2020)."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.distributions import Beta

from medclean.learning.batch import Batch
from medclean.learning.turn import Turn
from medclean.losses.pixel import charbonnier
from medclean.models._base import Model
from medclean.models._rrg import Shape
from medclean.options import check_within
from medclean.volume import Given

MIX = 1.2  # both parameters of the Beta distribution that shares of mixed images come from


class MIRNet(Model):
    """The network and the recipe of the official code, for images of one channel."""

    @dataclass(frozen=True)
    class Options(Shape):
        """The generator's shape, and how it learns.

        Attributes:
            clamp: Whether the loss sees the output cut off at 0 and 1.
            mix_after: Share of the run from which on images are mixed in pairs; 1 for never.
        """

        pool: Literal["max", "avg", "avgmax"] = "avg"
        clamp: bool = False
        mix_after: float = 1.0

        def __post_init__(self) -> None:
            super().__post_init__()
            check_within(0, 1, mix_after=self.mix_after)

    kind = "network"
    scope = "slice"
    context = 1
    receptive_field = None
    code = "DLNR"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.generator = options.generator(share_dau=True, activation="prelu", reduction=8)
        self.stride = self.generator.stride
        self.segments = self.generator.blocks
        self.context = options.context

    def forward(self, images: Tensor, given: Given) -> Tensor:
        return self.generator(images)

    def turns(self, progress: float) -> tuple[Turn, ...]:
        adam = {"name": "adam", "betas": (0.9, 0.999), "weight_decay": 1e-8}
        losses = partial(self._losses, mixes=progress >= self.options.mix_after)
        return (Turn("generator", (self.generator,), losses, optimiser=adam),)

    def _losses(self, batch: Batch, *, mixes: bool) -> dict[str, Tensor]:
        if mixes and self.training:
            batch = mixed(batch)
        denoised = self(batch.noisy, batch.given)
        if self.options.clamp:
            denoised = denoised.clamp(0, 1)
        return {"content": charbonnier(denoised, batch.clean).mean()}


def mixed(batch: Batch) -> Batch:
    """Each image blended with another of the batch, noisy and clean alike (Zhang et al., 2018).

    Draws from torch's generator, which the stepper seeds.
    """
    count = len(batch.noisy)
    share = Beta(MIX, MIX).sample((count, 1, 1, 1)).to(batch.noisy)
    other = torch.randperm(count)
    noisy, clean = (
        share * images + (1 - share) * images[other] for images in (batch.noisy, batch.clean)
    )
    return replace(batch, noisy=noisy, reference=clean)


PROVIDES = MIRNet
