"""What the models that are a U-Net against a critic have in common (Geng et al., 2022)."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from medclean.models._conditional import Conditional, Recipe
from medclean.networks.critics import CNCLPatchGAN
from medclean.networks.unet import UNet
from medclean.volume import Given


@dataclass(frozen=True)
class Shape(Recipe):
    """The networks' shapes, what is predicted, and how much the critic has to say.

    Attributes:
        width: Channels of the U-Net at full resolution; each level down has twice as many.
        critic_width: Channels of the critic's first layer.
        target: What the U-Net predicts: the image itself, or the noise to take away from it.
        norm: Of the U-Net: batch, or group where several processes shall learn what one does.
    """

    width: int = 64
    critic_width: int = 64
    target: Literal["content", "noise"] = "content"
    norm: Literal["batch", "group"] = "batch"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 2:
            raise ValueError(
                f"width is {self.width}, expected at least 2: its last layer halves it"
            )


class UNetGAN(Conditional):
    """A U-Net, and a PatchGAN that sees what it makes of an image beside the image."""

    stride = UNet.stride

    def __init__(self, options: Shape) -> None:
        super().__init__(
            options,
            UNet(options.width, options.norm),
            CNCLPatchGAN(2, width=options.critic_width),
            adversarial=options.adversarial,
        )
        if options.norm == "group":
            self.receptive_field = None

    def forward(self, images: Tensor, given: Given) -> Tensor:
        predicted = super().forward(images, given)
        return images - predicted if self.options.target == "noise" else predicted
