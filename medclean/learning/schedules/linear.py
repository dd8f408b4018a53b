"""The highest learning rate for a while, then a straight line down to nothing."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Linear:
    """``min(1, (1 - p) / (1 - begin))``: CycleGAN's 100 epochs and 100 of decay have 0.5.

    Attributes:
        begin: Share of the run after which it falls.
    """

    begin: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.begin < 1:
            raise ValueError(f"begin is {self.begin:g}, expected 0 to below 1")

    def __call__(self, progress: float, scores: Sequence[float]) -> float:
        return min(1.0, (1 - progress) / (1 - self.begin))


PROVIDES = Linear
