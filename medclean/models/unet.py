"""A U-Net against a critic, as Osman et al. compare with (Ronneberger et al., 2015)."""

from dataclasses import dataclass

from medclean.models._unet import Shape, UNetGAN


class UNet(UNetGAN):
    """The recipe of content-noise complementary learning, with one U-Net instead of two."""

    @dataclass(frozen=True)
    class Options(Shape):
        """The shapes and the recipe, and nothing else."""

    kind = "gan"
    scope = "slice"
    context = 1
    receptive_field = 245
    stride = 16
    training_only = ("critic",)
    code = "DLNR"


PROVIDES = UNet
