"""A learning rate that falls at stated moments."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """``factor ^ (moments that have passed)``.

    Attributes:
        at: Shares of the run at which the learning rate falls.
        factor: What it is multiplied by then.
    """

    at: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1

    def __post_init__(self) -> None:
        if not self.at or any(not 0 < moment < 1 for moment in self.at):
            raise ValueError(f"at is {list(self.at)}, expected shares of the run between 0 and 1")
        if not 0 < self.factor < 1:
            raise ValueError(f"factor is {self.factor:g}, expected between 0 and 1")

    def __call__(self, progress: float, scores: Sequence[float]) -> float:
        return self.factor ** sum(progress >= moment for moment in self.at)


PROVIDES = Step
