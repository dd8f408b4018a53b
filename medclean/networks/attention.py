"""Attention in residual groups: to channels, to places, and among streams."""

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d

Pool: TypeAlias = Literal["max", "avg", "avgmax"]
Fusion: TypeAlias = Literal["skff", "concat", "sum"]


class ChannelAttention(nn.Module):
    """Scales each channel by what the whole image says about it (Hu et al., 2018)."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.weigh = nn.Sequential(
            nn.Conv2d(channels, hidden, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features * self.weigh(mean(features, (2, 3)))


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
        self.pool = pool
        hidden = max(channels // reduction, 4)
        self.squeeze = nn.Sequential(nn.Conv2d(channels, hidden, 1, bias=False), activation())
        heads = (nn.Conv2d(hidden, channels, 1, bias=False) for _ in range(streams))
        self.heads = nn.ModuleList(heads)

    def forward(self, streams: Sequence[Tensor]) -> Tensor:
        """Streams ``(N, channels, H, W)`` to one, in float32 whatever the precision around."""
        with torch.autocast(streams[0].device.type, enabled=False):
            weights = self.weights([stream.float() for stream in streams])
            return sum_of([w * stream for w, stream in zip(weights, streams, strict=True)])

    def weights(self, streams: Sequence[Tensor]) -> Tensor:
        """Of each stream and channel: ``(streams, N, channels, 1, 1)``, 1 summed over streams."""
        vector = self.squeeze(_pooled(sum_of(streams), self.pool))
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
    """The sum of tensors of one shape."""
    total = streams[0]
    for stream in streams[1:]:
        total = total + stream
    return total


def mean(features: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Mean along axes, which are kept.

    Unlike that of ``Tensor.mean`` its gradient keeps the layout of ``features``, so that those in
    channels_last are not rearranged: 5 % of a training step.
    """
    total = features.sum(axes, keepdim=True)
    return total / (features.numel() / total.numel())


def _pooled(features: Tensor, pool: Pool) -> Tensor:
    if pool == "avg":
        return mean(features, (2, 3))
    largest = adaptive_max_pool2d(features, 1)
    return largest if pool == "max" else largest + mean(features, (2, 3))
