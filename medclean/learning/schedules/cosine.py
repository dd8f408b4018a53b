"""Half a cosine from the highest learning rate down."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi


@dataclass(frozen=True)
class Cosine:
    """``floor + (1 - floor) (1 + cos(pi p)) / 2`` (Loshchilov and Hutter, 2017, without restarts).

    Attributes:
        floor: Share of the highest learning rate that is left at the end.
    """

    floor: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= 1:
            raise ValueError(f"floor is {self.floor:g}, expected 0 to 1")

    def __call__(self, progress: float, scores: Sequence[float]) -> float:
        return self.floor + (1 - self.floor) * 0.5 * (1 + cos(pi * progress))


PROVIDES = Cosine
