"""A learning rate that is halved when the validation no longer improves."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Plateau:
    """``factor ^ (times that the score stood still)``; needs patients who are held out.

    A function of all scores so far, so that a resumed run has the same.

    Attributes:
        patience: Validations without a better score after which the learning rate falls.
        factor: What it is multiplied by then.
        least: Improvement that counts, in dB of PSNR.
    """

    patience: int = 5
    factor: float = 0.5
    least: float = 0.01

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ValueError(f"patience is {self.patience}, expected at least 1")
        if not 0 < self.factor < 1:
            raise ValueError(f"factor is {self.factor:g}, expected between 0 and 1")

    def __call__(self, progress: float, scores: Sequence[float]) -> float:
        best, waited, falls = -inf, 0, 0
        for score in scores:
            if score > best + self.least:
                best, waited = score, 0
            else:
                waited += 1
            if waited == self.patience:
                falls, waited = falls + 1, 0
        return self.factor**falls


PROVIDES = Plateau
