"""D-GAN's generator without a critic: recursive residual groups (Naser and Al-Asadi)."""

from dataclasses import dataclass

from torch import Tensor

from medclean.learning.batch import Batch
from medclean.learning.turn import Turn
from medclean.losses.pixel import charbonnier
from medclean.models._base import Model
from medclean.models._rrg import Shape
from medclean.volume import Given


class RRG(Model):
    """One network, one turn, one loss."""

    @dataclass(frozen=True)
    class Options(Shape):
        """The generator's shape, and nothing else."""

    kind = "network"
    scope = "slice"
    context = 1
    receptive_field = None
    code = "DLNR"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.generator = options.generator()
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
