"""The U-Net (Ronneberger et al., 2015) as content-noise learning has it (Geng et al., 2022)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from medclean.networks.norms import Norm, norm_of
from medclean.networks.padding import pad_to_multiple


class UNet(nn.Module):
    """Four times down and up again: ``(N, 1, H, W)`` to the same, any H and W.

    Pooling takes the maximum, bilinear interpolation doubles, each level hands its features across.
    Width 64 is the published one, 90 the wide one of the same tables.

    Args:
        width: Channels at full resolution; each level down has twice as many.
        norm: After each convolution.
    """

    stride = 16

    def __init__(self, width: int, norm: Norm = "batch") -> None:
        super().__init__()
        widths = [width * 2**level for level in range(4)]
        self.down = nn.ModuleList(
            _pair(into, out, out, norm) for into, out in zip([1, *widths], widths, strict=False)
        )
        self.bottom = _pair(widths[-1], 2 * widths[-1], widths[-1], norm)
        ends = [widths[2], widths[1], widths[0]]
        self.up = nn.ModuleList(
            _pair(2 * out, out, end, norm) for out, end in zip(widths[:0:-1], ends, strict=True)
        )
        self.leave = nn.Sequential(  # both without norm and activation, as in the official code
            nn.Conv2d(2 * width, width // 2, 3, padding=1),
            nn.Conv2d(width // 2, 1, 3, padding=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        features, across = pad_to_multiple(images, self.stride), []
        for level in self.down:
            features = level(features)
            across.append(features)
            features = nn.functional.max_pool2d(features, 2)
        features = self.bottom(features)
        for level, beside in zip([*self.up, self.leave], reversed(across), strict=True):
            risen = interpolate(features, scale_factor=2, mode="bilinear")
            features = level(torch.cat([beside, risen], dim=1))
        return features[..., :height, :width]


def _pair(into: int, between: int, out: int, norm: Norm) -> nn.Sequential:
    layers: list[nn.Module] = []
    for source, target in ((into, between), (between, out)):
        convolution = nn.Conv2d(source, target, 3, padding=1)
        layers += [convolution, norm_of(norm, target), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
