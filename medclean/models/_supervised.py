"""What networks that learn from pairs alone have in common."""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from medclean.learning.batch import Batch
from medclean.learning.turn import Turn
from medclean.losses.pixel import l2
from medclean.models._base import Model
from medclean.volume import Given


class Supervised(Model):
    """One network, one turn, one loss.

    Args:
        options: Of the model.
        generator: Noisy images to clean ones; it states ``receptive_field``.
    """

    optimiser: ClassVar[Mapping[str, Any]] = {"name": "adam", "betas": (0.9, 0.999)}
    distance = staticmethod(l2)
    stride = 1

    def __init__(self, options: Any, generator: nn.Module) -> None:
        super().__init__(options)
        self.generator = generator

    def forward(self, images: Tensor, given: Given) -> Tensor:
        denoised: Tensor = self.generator(images)
        return denoised

    def turns(self, progress: float) -> tuple[Turn, ...]:
        return (Turn("generator", (self.generator,), self._losses, optimiser=self.optimiser),)

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        denoised = self(batch.noisy, batch.given)
        return {"content": self.distance(denoised, batch.clean).mean()}
