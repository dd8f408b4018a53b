"""Critics: networks that tell clean images from denoised ones."""

from itertools import pairwise
from typing import Literal

from torch import nn

LAYERS = {16: 1, 34: 2, 70: 3}


class PatchGAN(nn.Sequential):
    """One logit for each patch of an image, high for clean (Isola et al., 2017).

    Maps ``(N, channels, H, W)`` to ``(N, 1, h, w)``: 30x30 of 256x256 for patches of 70, padded
    as in TensorFlow's pix2pix.

    Args:
        channels: 1 to judge an image, 2 to judge it beside its noisy source.
        patch: Pixels that a logit sees along each side.
        width: Channels of the first layer; each that follows has twice as many.
    """

    def __init__(self, channels: int, *, patch: Literal[16, 34, 70] = 70, width: int = 64) -> None:
        count = LAYERS[patch]
        widths = [channels, *(width * 2**layer for layer in range(count + 1))]
        layers: list[nn.Module] = []
        for layer, (into, out) in enumerate(pairwise(widths)):
            stride = 2 if layer < count else 1
            layers.append(nn.Conv2d(into, out, 4, stride, padding=1, bias=False))
            if layer:
                layers.append(nn.BatchNorm2d(out))
            layers.append(nn.LeakyReLU(0.2))
        layers.append(nn.Conv2d(widths[-1], 1, 4, padding=1))
        super().__init__(*layers)
        for module in self:
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.02)
