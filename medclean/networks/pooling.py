"""Where a network sees an image as a whole."""

from typing import Literal, TypeAlias

from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d

Pool: TypeAlias = Literal["max", "avg", "avgmax"]


class GlobalPool(nn.Module):
    """``(N, C, H, W)`` to one number a channel, ``(N, C, 1, 1)``.

    A module of its own, so that tiles can be given what the whole slice says (see
    ``inference.frozen``).

    Args:
        pool: The largest value, the mean, or the sum of both.
    """

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, features: Tensor) -> Tensor:
        if self.pool == "avg":
            return mean(features, (2, 3))
        largest = adaptive_max_pool2d(features, 1)
        return largest if self.pool == "max" else largest + mean(features, (2, 3))


def mean(features: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Mean along axes, which are kept.

    The gradient of ``Tensor.mean`` comes in another layout than channels_last, and adding it to
    others takes 3 % of a training step; that of a sum has no layout.
    """
    total = features.sum(axes, keepdim=True)
    return total / (features.numel() / total.numel())
