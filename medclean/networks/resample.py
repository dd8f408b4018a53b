"""Resamplers of residual groups: one resolution to another, some channels to others."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, conv2d, interpolate


class Down(nn.Module):
    """Half the height and width: ``(N, into, H, W)`` to ``(N, out, H/2, W/2)``, H and W even.

    A convolution and a plain path, both smoothed before every second pixel is dropped, which
    keeps the result from depending on where the grid begins (Zhang, 2019).

    Args:
        into: Channels that come in.
        out: Channels that go out.
        activation: Makes an activation.
    """

    def __init__(self, into: int, out: int, activation: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(into, into, 1, bias=False),
            activation(),
            nn.Conv2d(into, into, 3, padding=1, bias=False),
            activation(),
        )
        self.leave = nn.Conv2d(into, out, 1, bias=False)
        self.plain = nn.Conv2d(into, out, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        return self.leave(blur(self.body(features))) + self.plain(blur(features))


class Up(nn.Module):
    """Twice the height and width: ``(N, into, H, W)`` to ``(N, out, 2H, 2W)``; as ``Down``."""

    def __init__(self, into: int, out: int, activation: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(into, into, 1, bias=False),
            activation(),
            nn.ConvTranspose2d(into, into, 3, 2, padding=1, output_padding=1, bias=False),
            activation(),
            nn.Conv2d(into, out, 1, bias=False),
        )
        self.plain = nn.Conv2d(into, out, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        # A 1x1 convolution and interpolation change places freely; this order costs a quarter.
        plain = interpolate(self.plain(features), scale_factor=2.0, mode="bilinear")
        plain += self.body(features)  # in place: at full size another tensor costs as much
        return plain


def resampler(
    widths: Sequence[int], source: int, target: int, activation: Callable[[], nn.Module]
) -> nn.Module:
    """From one level to another, a stage for each halving or doubling between them.

    Args:
        widths: Channels at each level; level k has 1/2^k of the full height and width.
        source: Level that comes in.
        target: Level that goes out.
        activation: Makes an activation.
    """
    stage, step = (Down, 1) if target > source else (Up, -1)
    levels = pairwise(range(source, target + step, step))
    return nn.Sequential(*(stage(widths[a], widths[b], activation) for a, b in levels))


def blur(features: Tensor) -> Tensor:
    """Every second pixel of ``(N, C, H, W)``, smoothed with [1 2 1] / 4 along both axes.

    Pixels outside the image have no weight. Always in float32, which is quicker here.
    """
    with torch.autocast(features.device.type, enabled=False):
        line = 0.5 - torch.arange(-1, 2, device=features.device).abs() / 4
        channels, *sides = features.shape[1:]
        kernel = line.outer(line).expand(channels, 1, 3, 3)
        smooth = conv2d(features.float(), kernel, None, 2, 1, groups=channels)
        ones = (torch.ones(1, 1, side, device=features.device) for side in sides)
        rows, columns = (conv1d(one, line[None, None], None, 2, 1).flatten() for one in ones)
        smooth /= rows.outer(columns)  # the weight inside the image
        return smooth
