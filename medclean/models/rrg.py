"""D-GAN's generator without a critic: recursive residual groups (Naser and Al-Asadi)."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from medclean.learning.batch import Batch
from medclean.learning.turn import Turn
from medclean.losses.pixel import charbonnier
from medclean.models._base import Model
from medclean.networks.rrg import RRGNet
from medclean.volume import Given


class RRG(Model):
    """One network, one turn, one loss."""

    @dataclass(frozen=True)
    class Options:
        """The network's shape.

        Attributes:
            width: Channels that one unit of streams stands for.
            groups: Recursive residual groups.
            blocks: Multi-scale residual blocks in each group.
            streams: Multiples of width at full resolution, a half, a quarter.
            pool: How the fusion of streams sees a whole image.
            fusion: How streams become one.
            unshuffle: 2 to work at half the resolution with four times the input channels.
        """

        width: int = 16
        groups: int = 2
        blocks: int = 1
        streams: tuple[int, ...] = (1, 2, 4)
        pool: Literal["max", "avg", "avgmax"] = "max"
        fusion: Literal["skff", "concat", "sum"] = "skff"
        unshuffle: Literal[1, 2] = 1

    kind = "network"
    scope = "slice"
    context = 1
    receptive_field = None
    code = "DLNR"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.generator = RRGNet(
            width=options.width,
            groups=options.groups,
            blocks=options.blocks,
            streams=options.streams,
            pool=options.pool,
            fusion=options.fusion,
            unshuffle=options.unshuffle,
        )
        self.stride = self.generator.stride
        self.segments = self.generator.blocks

    def forward(self, images: Tensor, given: Given) -> Tensor:
        return self.generator(images)

    def turns(self, progress: float) -> tuple[Turn, ...]:
        adam = {"name": "adam", "betas": (0.9, 0.999)}
        return (Turn("generator", (self.generator,), self._losses, optimiser=adam),)

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        denoised = self(batch.noisy, batch.given)
        return {"content": charbonnier(denoised, batch.clean).mean()}


PROVIDES = RRG
