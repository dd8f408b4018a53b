"""A U-Net with as many weights as two, as Osman et al. compare with."""

from dataclasses import dataclass

from medclean.models._unet import Shape, UNetGAN


class WideUNet(UNetGAN):
    """The recipe of ``unet``; whether two networks do better than one of their size shows here."""

    @dataclass(frozen=True)
    class Options(Shape):
        """The shapes and the recipe, and nothing else."""

        width: int = 90

    kind = "gan"
    scope = "slice"
    context = 1
    receptive_field = 245
    stride = 16
    training_only = ("critic",)
    code = "DLNR"


PROVIDES = WideUNet
