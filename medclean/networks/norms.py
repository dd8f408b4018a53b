"""What evens out the channels between two layers."""

from math import gcd
from typing import Literal, TypeAlias

from torch import nn

Norm: TypeAlias = Literal["batch", "group"]

GROUPS = 8


def norm_of(kind: Norm, channels: int) -> nn.Module:
    """A batch norm; or a group norm, whose statistics are of one image (Wu and He, ECCV 2018).

    Those of a batch are each process's own, so that several do not learn what one does.
    """
    return (
        nn.BatchNorm2d(channels)
        if kind == "batch"
        else nn.GroupNorm(gcd(channels, GROUPS), channels)
    )
