"""The recursive residual groups of MIRNet (Zamir et al., 2020), as D-GAN's generator."""

from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from medclean.networks.attention import DAU, SKFF, Concat, Fusion, Sum
from medclean.networks.neighbours import own
from medclean.networks.padding import pad_to_multiple
from medclean.networks.pooling import Pool
from medclean.networks.resample import resampler

Activation: TypeAlias = Literal["leaky-relu", "prelu"]


class RRGNet(nn.Module):
    """Adds what it learnt to subtract: ``(N, context, H, W)`` to ``(N, 1, H, W)``, any H and W.

    Free of norms and biases; it starts close to the identity. Of width 64 it is the generator of
    Naser and Al-Asadi; with shared units, PReLU, average pooling and ``reduction=8``, MIRNet.

    Args:
        width: Channels that one unit of ``streams`` stands for.
        groups: Recursive residual groups (R).
        blocks: Multi-scale residual blocks in each group (M).
        streams: Multiples of ``width`` at full resolution, a half, a quarter and so on.
        pool: How fusion sees a whole image.
        fusion: How streams become one; ``concat`` and ``sum`` are for ablation.
        unshuffle: 2 to work on half the height and width with four times the pixels in channels.
        share_dau: One unit serves both columns of a stream, as in the official code.
        activation: Between convolutions, but in channel attention.
        reduction: Channels to hidden ones in SKFF.
        context: Slices that it sees, odd; it denoises the one in the middle.
    """

    def __init__(
        self,
        *,
        width: int,
        groups: int,
        blocks: int,
        streams: tuple[int, ...] = (1, 2, 4),
        pool: Pool = "max",
        fusion: Fusion = "skff",
        unshuffle: Literal[1, 2] = 1,
        share_dau: bool = False,
        activation: Activation = "leaky-relu",
        reduction: int = 4,
        context: int = 1,
    ) -> None:
        super().__init__()
        self.unshuffle = unshuffle
        self.stride = unshuffle * 2 ** (len(streams) - 1)
        widths = tuple(width * multiple for multiple in streams)
        make = nn.PReLU if activation == "prelu" else partial(nn.LeakyReLU, 0.2, inplace=True)
        between = make()  # one for all units, as in the official code: one weight with PReLU

        def fuse(channels: int) -> nn.Module:
            if fusion == "sum":
                return Sum()
            if fusion == "concat":
                return Concat(channels, len(streams))
            return SKFF(channels, len(streams), pool=pool, reduction=reduction, activation=make)

        block = partial(
            MRB,
            widths,
            fuse=fuse,
            unit=lambda channels: DAU(channels, between),
            columns=1 if share_dau else 2,
            activation=make,
        )
        self.enter = nn.Conv2d(context * unshuffle**2, widths[0], 3, padding=1, bias=False)
        self.groups = nn.Sequential(
            *(RRG(widths[0], [block() for _ in range(blocks)]) for _ in range(groups))
        )
        self.leave = nn.Conv2d(widths[0], unshuffle**2, 3, padding=1, bias=False)
        with torch.no_grad():
            self.leave.weight *= 0.1

    @property
    def blocks(self) -> tuple["MRB", ...]:
        """All multi-scale blocks, in order."""
        return tuple(module for module in self.modules() if isinstance(module, MRB))

    def forward(self, noisy: Tensor) -> Tensor:
        height, width = noisy.shape[-2:]
        images = pad_to_multiple(noisy, self.stride)
        if self.unshuffle > 1:
            images = pixel_unshuffle(images, self.unshuffle)
        features = self.groups(self.enter(images))
        with torch.autocast(noisy.device.type, enabled=False):
            change = self.leave(features.to(self.leave.weight.dtype))
            if self.unshuffle > 1:
                change = pixel_shuffle(change, self.unshuffle)
            return own(noisy) + change[..., :height, :width]


class RRG(nn.Module):
    """A residual group: blocks, a convolution, a skip; ``(N, channels, H, W)`` to the same."""

    def __init__(self, channels: int, blocks: list["MRB"]) -> None:
        super().__init__()
        self.body = nn.Sequential(*blocks, nn.Conv2d(channels, channels, 3, padding=1, bias=False))

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features)


class MRB(nn.Module):
    """Multi-scale residual block: streams at several resolutions that exchange what they see.

    Each stream passes a unit and is sent to all levels, where the next begins with what it gets;
    each level fuses what it got and passes a second unit; at last all are fused at full size.
    Takes and gives ``(N, widths[0], H, W)``.

    Args:
        widths: Channels of each stream; each has half the height and width of the one before.
        fuse: Makes the fusion of streams of so many channels.
        unit: Makes the unit of a stream.
        columns: 2 for units of their own before and after the exchange, 1 for the same ones.
        activation: Makes the activations of the resamplers.
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        *,
        fuse: Callable[[int], nn.Module],
        unit: Callable[[int], nn.Module],
        columns: int,
        activation: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        levels = self.levels = range(len(widths))
        self.units = nn.ModuleList(unit(channels) for _ in range(columns) for channels in widths)
        self.mesh = nn.ModuleDict(
            {
                f"{source}to{target}": resampler(widths, source, target, activation)
                for source in levels
                for target in levels
                if source != target
            }
        )
        self.rise = nn.ModuleList(resampler(widths, s, 0, activation) for s in levels[1:])
        self.fuse = nn.ModuleList(fuse(channels) for channels in widths)
        self.leave = nn.Conv2d(widths[0], widths[0], 3, padding=1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        units = list(self.units)
        first, second = units[: len(self.levels)], units[-len(self.levels) :]
        entering, sent = features, []
        for source, unit in enumerate(first):
            stream = unit(entering)
            sent.append([self._resampled(stream, source, target) for target in self.levels])
            entering = sent[-1][min(source + 1, len(self.levels) - 1)]
        received = zip(*sent, strict=True)
        mixed = [fuse(streams) for fuse, streams in zip(self.fuse, received, strict=True)]
        seen = [unit(stream) for unit, stream in zip(second, mixed, strict=True)]
        risen = [rise(stream) for rise, stream in zip(self.rise, seen[1:], strict=True)]
        return features + self.leave(self.fuse[0]([seen[0], *risen]))

    def _resampled(self, stream: Tensor, source: int, target: int) -> Tensor:
        return stream if source == target else self.mesh[f"{source}to{target}"](stream)
