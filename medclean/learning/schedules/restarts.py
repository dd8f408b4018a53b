"""Half a cosine down, again and again, from lower heights if asked."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import cos, pi


@dataclass(frozen=True)
class Restarts:
    """Cosine annealing with warm restarts (Loshchilov and Hutter, 2017).

    The run is divided into cycles, each ``longer`` times as long as the one before.

    Attributes:
        cycles: How many.
        longer: Ratio of the lengths of two cycles that follow each other.
        height: What each restart is multiplied by, against the one before.
    """

    cycles: int = 4
    longer: float = 1.0
    height: float = 1.0

    def __post_init__(self) -> None:
        if self.cycles < 1:
            raise ValueError(f"cycles is {self.cycles}, expected at least 1")
        for name in ("longer", "height"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name):g}, expected above 0")

    def __call__(self, progress: float, scores: Sequence[float]) -> float:
        lengths = [self.longer**cycle for cycle in range(self.cycles)]
        ends = [end / sum(lengths) for end in accumulate(lengths)]
        cycle = min(bisect_right(ends, progress), self.cycles - 1)
        begin = ends[cycle - 1] if cycle else 0.0
        within = min((progress - begin) / (ends[cycle] - begin), 1.0)
        return self.height**cycle * 0.5 * (1 + cos(pi * within))


PROVIDES = Restarts
