"""A conditional GAN (Isola et al., 2017), in two dimensions what Wang et al. (2018) use for PET."""

from dataclasses import dataclass
from typing import Literal

from medclean.models._unet import Shape, UNetGAN


class CGAN(UNetGAN):
    """A U-Net and its critic, whose scores count by cross-entropy."""

    @dataclass(frozen=True)
    class Options(Shape):
        """The shapes and the recipe, and nothing else."""

        adversarial: Literal["lsgan", "bce", "none"] = "bce"

    kind = "gan"
    scope = "slice"
    context = 1
    receptive_field = 245
    stride = 16
    training_only = ("critic",)
    code = "DLNR"


PROVIDES = CGAN
