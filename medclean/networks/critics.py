"""Critics: networks that tell clean images from denoised ones."""

from itertools import pairwise
from typing import Literal

from torch import nn

from medclean.networks.norms import Norm, norm_of

LAYERS = {16: 1, 34: 2, 70: 3}


class PatchGAN(nn.Sequential):
    """One logit for each patch of an image, high for clean (Isola et al., 2017).

    Maps ``(N, channels, H, W)`` to ``(N, 1, h, w)``: 30x30 of 256x256 for patches of 70, padded
    as in TensorFlow's pix2pix.

    Args:
        channels: 1 to judge an image, 2 to judge it beside its noisy source.
        patch: Pixels that a logit sees along each side.
        width: Channels of the first layer; each that follows has twice as many.
        norm: After each but the first and the last.

    Attributes:
        least: Pixels along each side of the smallest image that it can judge.
    """

    def __init__(
        self,
        channels: int,
        *,
        patch: Literal[16, 34, 70] = 70,
        width: int = 64,
        norm: Norm = "batch",
    ) -> None:
        count = LAYERS[patch]
        widths = [channels, *(width * 2**layer for layer in range(count + 1))]
        layers: list[nn.Module] = []
        for layer, (into, out) in enumerate(pairwise(widths)):
            stride = 2 if layer < count else 1
            layers.append(nn.Conv2d(into, out, 4, stride, padding=1, bias=False))
            if layer:
                layers.append(norm_of(norm, out))
            layers.append(nn.LeakyReLU(0.2))
        layers.append(nn.Conv2d(widths[-1], 1, 4, padding=1))
        super().__init__(*layers)
        self.least = 3 * 2**count  # of which the last two layers leave one
        _draw(self)


class CNCLPatchGAN(nn.Sequential):
    """One logit for each patch of 94 pixels, high for clean (Geng et al., 2022).

    Maps ``(N, channels, H, W)`` to ``(N, 1, H / 16, W / 16)``.

    Args:
        channels: 2 to judge an image beside its noisy source, 3 for its noise too.
        width: Channels of the first layer; each that follows has twice as many.

    Attributes:
        least: Pixels along each side of the smallest image that it can judge: a norm over a single
            one, of what is halved four times, is none.
    """

    least = 32

    def __init__(self, channels: int, *, width: int = 64) -> None:
        layers: list[nn.Module] = []
        widths = [channels, *(width * 2**layer for layer in range(4))]
        for layer, (into, out) in enumerate(pairwise(widths)):
            layers.append(nn.Conv2d(into, out, 4, 2, padding=1))
            if layer:
                layers.append(nn.InstanceNorm2d(out))
            layers.append(nn.LeakyReLU(0.2))
        layers += [nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(widths[-1], 1, 4, padding=1, bias=False)]
        super().__init__(*layers)
        _draw(self)


def _draw(critic: nn.Sequential) -> None:
    """Weights as pix2pix has them at the start."""
    for module in critic:
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.02)
