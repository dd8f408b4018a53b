"""D-GAN: recursive residual groups against a PatchGAN (Naser and Al-Asadi)."""

from dataclasses import dataclass
from math import log
from typing import Any, Literal

import torch
from torch import Tensor

from medclean.errors import DataError
from medclean.learning.batch import Batch
from medclean.learning.turn import Turn
from medclean.losses.adversarial import GUESSING, bce
from medclean.losses.pixel import l1
from medclean.models._base import Model
from medclean.models._rrg import Shape
from medclean.networks.critics import PatchGAN
from medclean.volume import Given

STRONGEST = 0.3  # sigma in scale up to which noise levels are weighted


class DGAN(Model):
    """The generator learns from the critic, and to stay close to the clean image."""

    @dataclass(frozen=True)
    class Options(Shape):
        """The networks' shapes, and the weights of the losses.

        Attributes:
            patch: Pixels along each side of what the critic judges at once.
            critic_width: Channels of the critic's first layer.
            l1_weight: Of the distance from the clean image; the critic's opinion has 1.
            weighting: Above 0, an image counts by 1 / (sigma + weighting), so that low noise
                levels are not smoothed away; 0.05 is a good value.
            alone: Share of the run in which the generator learns without the critic.
        """

        patch: Literal[16, 34, 70] = 70
        critic_width: int = 64
        l1_weight: float = 100.0
        weighting: float = 0.0
        alone: float = 0.0

    kind = "gan"
    scope = "slice"
    context = 1
    receptive_field = None
    training_only = ("critic",)
    code = "DLNR"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.generator = options.generator()
        self.critic = PatchGAN(2, patch=options.patch, width=options.critic_width)
        self.shared_by = (self.generator,)
        self.stride = self.generator.stride
        self.segments = self.generator.blocks

    def forward(self, images: Tensor, given: Given) -> Tensor:
        return self.generator(images)

    def shared(self, batch: Batch) -> dict[str, Tensor]:
        return {"fake": self(batch.noisy, batch.given)}

    def turns(self, progress: float) -> tuple[Turn, ...]:
        alone = progress < self.options.alone
        return (
            Turn(
                "critic",
                (self.critic,),
                self._tell_apart,
                repeats=0 if alone else 1,
                guessing=GUESSING["bce"],
            ),
            Turn("generator", (self.generator,), self._content if alone else self._deceive),
        )

    def _tell_apart(self, batch: Batch) -> dict[str, Tensor]:
        real, fake = self._judge(batch, batch.clean), self._judge(batch, batch.shared["fake"])
        return {"real": bce(real, real=True), "fake": bce(fake, real=False)}

    def _deceive(self, batch: Batch) -> dict[str, Tensor]:
        scores = self._judge(batch, batch.shared["fake"])
        return {"adversarial": bce(scores, real=True), **self._content(batch)}

    def _content(self, batch: Batch) -> dict[str, Tensor]:
        distances = l1(batch.shared["fake"], batch.clean)
        weights = self.options.l1_weight * weights_of(batch.given, self.options.weighting)
        return {"content": (weights * distances).mean()}

    def _judge(self, batch: Batch, candidate: Tensor) -> Tensor:
        return self.critic(torch.cat([batch.noisy, candidate], dim=1))


def weights_of(given: Given, weighting: float) -> Any:
    """Weights ``c / (sigma + weighting)`` of images, a number or ``(N,)``; 1 for weighting 0.

    ``c`` makes their mean 1 for sigmas drawn uniformly from 0 to 0.3 of the scale.

    Raises:
        DataError: The noise level is not known.
    """
    if not weighting:
        return 1.0
    if given.sigma is None:
        raise DataError("dgan:weighting needs the noise level of each image: train with --noise")
    sigma = given.sigma / given.scale
    if isinstance(sigma, Tensor):
        sigma = sigma.flatten()
    return STRONGEST / log(1 + STRONGEST / weighting) / (sigma + weighting)


PROVIDES = DGAN
