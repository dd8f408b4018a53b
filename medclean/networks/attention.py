"""Attention in residual groups: to channels, to places, and among streams."""

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from medclean.networks.pooling import GlobalPool, Pool, mean

Fusion: TypeAlias = Literal["skff", "concat", "sum"]


class ChannelAttention(nn.Module):
    """Scales each channel by what the whole image says about it (Hu et al., 2018)."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.pool = GlobalPool("avg")
        self.weigh = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features * self.weigh(self.pool(features))


class SpatialAttention(nn.Module):
    """Scales each pixel by what its surroundings show in all channels (Woo et al., 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Sequential(nn.Conv2d(2, 1, 5, padding=2, bias=False), nn.Sigmoid())

    def forward(self, features: Tensor) -> Tensor:
        seen = [features.amax(1, keepdim=True), mean(features, (1,))]
        return features * self.weigh(torch.cat(seen, dim=1))


class DAU(nn.Module):
    """Dual attention unit: two convolutions, both attentions side by side, a skip.

    Args:
        channels: In and out, ``(N, channels, H, W)``.
        activation: Stands between the convolutions.
    """

    def __init__(self, channels: int, activation: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            activation,
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        )
        self.channel = ChannelAttention(channels)
        self.spatial = SpatialAttention()
        self.join = nn.Conv2d(2 * channels, channels, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        seen = self.body(features)
        return features + self.join(torch.cat([self.channel(seen), self.spatial(seen)], dim=1))


class SKFF(nn.Module):
    """Selective kernel feature fusion: a sum of streams, weighted by channel.

    The weights are a softmax across the streams of what one vector, pooled from their plain sum,
    says about each (Zamir et al., 2020, equation 1; max pooling: Naser and Al-Asadi).

    Args:
        channels: Of each stream.
        streams: How many there are.
        pool: How an image becomes a vector; ``avgmax`` adds both.
        reduction: Channels to hidden ones, of which there are at least 4.
        activation: Makes an activation.
    """

    def __init__(
        self,
        channels: int,
        streams: int,
        *,
        pool: Pool,
        reduction: int,
        activation: Callable[[], nn.Module],
    ) -> None:
        super().__init__()
        self.pool = GlobalPool(pool)
        hidden = max(channels // reduction, 4)
        self.squeeze = nn.Sequential(nn.Conv2d(channels, hidden, 1, bias=False), activation())
        heads = (nn.Conv2d(hidden, channels, 1, bias=False) for _ in range(streams))
        self.heads = nn.ModuleList(heads)

    def forward(self, streams: Sequence[Tensor]) -> Tensor:
        """Streams ``(N, channels, H, W)`` to one, in float32 whatever the precision around."""
        with torch.autocast(streams[0].device.type, enabled=False):
            exact = [stream.float() for stream in streams]
            weights = self.weights(exact)
            fused = weights[0] * exact[0]
            for weight, stream in zip(weights[1:], exact[1:], strict=True):
                fused.addcmul_(weight, stream)  # in place, as in sum_of
            return fused

    def weights(self, streams: Sequence[Tensor]) -> Tensor:
        """Of each stream and channel: ``(streams, N, channels, 1, 1)``, 1 summed over streams."""
        vector = self.squeeze(self.pool(sum_of(streams)))
        return torch.stack([head(vector) for head in self.heads]).softmax(dim=0)


class Concat(nn.Module):
    """Fusion by a 1x1 convolution of all streams: the ablation that SKFF is compared with."""

    def __init__(self, channels: int, streams: int) -> None:
        super().__init__()
        self.join = nn.Conv2d(streams * channels, channels, 1, bias=False)

    def forward(self, streams: Sequence[Tensor]) -> Tensor:
        return self.join(torch.cat(list(streams), dim=1))


class Sum(nn.Module):
    """Fusion by a plain sum: the other ablation."""

    def forward(self, streams: Sequence[Tensor]) -> Tensor:
        return sum_of(streams)


def sum_of(streams: Sequence[Tensor]) -> Tensor:
    """The sum of tensors of one shape and type."""
    first, *rest = streams
    if not rest:
        return first
    total = first + rest[0]
    for stream in rest[1:]:
        total += stream  # in place: at full size another tensor costs as much as the sum
    return total
