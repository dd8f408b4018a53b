"""What one file adds to the figures of its series: sums, and the frames that stand out."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt

from medclean.physics.signal.gradients import STEP
from medclean.quality import pooled

SMOOTH = 9.0  # pixels that count as one in the error of r: noise may be smooth over 3

BADNESS: Mapping[str, Callable[[float], float]] = {
    "bias": abs,
    "structure": float,
    "edges": lambda ratio: abs(log(ratio)),
    "noise": float,
    "spot": float,
}
"""By which each figure of one frame is worse than that of another."""


@dataclass(frozen=True)
class Part:
    """What a file adds; fit for JSON.

    Attributes:
        sure: Voxels whose signal is sure, and the sum of their change (after - before).
        alike: Moments of change and result over the voxels of the body; see ``pooled.moments``.
        steep: Those of the size of the change and the gradient of the result.
        edges: Bin and count of the ratios of gradients, after to before.
        noise: Its standard deviation before and after, a pair a frame.
        worst: By figure, the frame that shows it most: value, frame, and row and column where it
            is of one place. Chance has its benefit; what could not be measured is not there.
    """

    sure: Sequence[float]
    alike: Sequence[float]
    steep: Sequence[float]
    edges: Sequence[tuple[int, int]]
    noise: Sequence[Sequence[float]]
    worst: Mapping[str, Sequence[float]]


def together(parts: Sequence[Part]) -> Part:
    """Several parts as one; sums are rounded once, so that no order matters."""
    edges: Counter[int] = Counter()
    for part in parts:
        edges.update(dict(part.edges))
    worst = {}
    for figure, badness in BADNESS.items():
        shown = [part.worst[figure] for part in parts if figure in part.worst]
        if shown:
            worst[figure] = max(shown, key=lambda one: badness(one[0]))
    return Part(
        sure=pooled.summed([part.sure for part in parts]),
        alike=pooled.summed([part.alike for part in parts]),
        steep=pooled.summed([part.steep for part in parts]),
        edges=[(place, edges[place]) for place in sorted(edges)],
        noise=[pair for part in parts for pair in part.noise],
        worst=worst,
    )


def structure(
    alike: Sequence[float], steep: Sequence[float], *, doubt: float = 0.0
) -> float | None:
    """How much a change resembles the image: see ``Figures``; None for nothing.

    Args:
        alike: As in ``Part``.
        steep: Likewise.
        doubt: Standard errors that chance is given.
    """
    same, along = pooled.pearson(alike), pooled.pearson(steep)
    if same is None or along is None:
        return None
    chances = (doubt * sqrt(SMOOTH / alike[0]), doubt * sqrt(SMOOTH / STEP**2 / steep[0]))
    return max(abs(same) - chances[0], along - chances[1], 0.0)
