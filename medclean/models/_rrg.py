"""The shape that models made of recursive residual groups have in common."""

from dataclasses import dataclass, fields
from typing import Any, Literal

from medclean.models._base import check_context
from medclean.networks.rrg import RRGNet
from medclean.options import check_counts


@dataclass(frozen=True)
class Shape:
    """The shape of the generator.

    Attributes:
        width: Channels that one unit of streams stands for.
        groups: Recursive residual groups.
        blocks: Multi-scale residual blocks in each group.
        streams: Multiples of width at full resolution, a half, a quarter.
        pool: How the fusion of streams sees a whole image.
        fusion: How streams become one.
        unshuffle: 2 to work at half the resolution with four times the input channels.
        context: Neighbouring slices that it sees, odd; the one in the middle is denoised.
    """

    width: int = 16
    groups: int = 2
    blocks: int = 1
    streams: tuple[int, ...] = (1, 2, 4)
    pool: Literal["max", "avg", "avgmax"] = "max"
    fusion: Literal["skff", "concat", "sum"] = "skff"
    unshuffle: Literal[1, 2] = 1
    context: int = 1

    def __post_init__(self) -> None:
        check_context(self.context)
        check_counts(self)

    def generator(self, **settings: Any) -> RRGNet:
        """A network of this shape; what else ``RRGNet`` takes are its settings."""
        shape = {field.name: getattr(self, field.name) for field in fields(Shape)}
        return RRGNet(**shape, **settings)
