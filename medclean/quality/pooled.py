"""Statistics of a series that are made of what each file adds, exactly and in any order."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import exp, fsum, log, sqrt

import numpy as np
from numpy.typing import NDArray

BIN = 0.02  # width of the bins of log(ratio) that medians of ratios come from
BINS = 100  # on either side: ratios from 0.14 to 7.4


def summed(rows: Iterable[Sequence[float]]) -> list[float]:
    """The sum of each column, rounded once, so that no order matters."""
    return [fsum(column) for column in zip(*rows, strict=True)]


def moments(x: NDArray[np.floating], y: NDArray[np.floating], *, blur: float) -> list[float]:
    """Count, sums, sums of squares, sum of products; added up without BLAS, alike everywhere.

    Args:
        x: Values.
        y: As many others.
        blur: Standard deviation of noise that x is to count as having besides: its r with
            anything is then the less, the smaller x is beside that.
    """
    x, y = x.astype(np.float64), y.astype(np.float64)
    found = [x.size, *(float(v.sum()) for v in (x, y, x * x, y * y, x * y))]
    found[3] += x.size * blur**2
    return found


def pearson(moments: Sequence[float]) -> float | None:
    """Pearson's r; 0 where one of them is constant, None for nothing."""
    count, x, y, xx, yy, xy = moments
    if not count:
        return None
    spread = (xx - x * x / count) * (yy - y * y / count)
    return (xy - x * y / count) / sqrt(spread) if spread > 0 else 0.0


def binned(ratios: NDArray[np.floating]) -> list[tuple[int, int]]:
    """Bins of the logarithm of ratios, in order, with how many fall into each."""
    tiny = exp(-BIN * BINS)
    bins = np.rint(np.log(np.clip(ratios, tiny, 1 / tiny)) / BIN).astype(int)
    return [(int(b), int(c)) for b, c in zip(*np.unique(bins, return_counts=True), strict=True)]


def median(bins: Sequence[tuple[int, int]], *, doubt: float = 0.0) -> float | None:
    """The median of binned ratios, evenly spread within their bins; None for none.

    Args:
        bins: As ``binned`` gives them.
        doubt: Half of a confidence interval, as a share of the ratios. Its end that is nearer to
            1 counts, or 1 itself where it lies within, or nothing is known.
    """
    if not bins:
        return None
    if doubt >= 0.5:
        return 1.0
    low, high = (_quantile(bins, 0.5 + side * doubt) for side in (-1, 1))
    if low <= 1 <= high:
        return 1.0 if doubt else low
    return min(low, high, key=lambda end: abs(log(end)))


def _quantile(bins: Sequence[tuple[int, int]], share: float) -> float:
    ends = list(accumulate(count for _, count in bins))
    wanted = share * ends[-1]
    which = bisect_left(ends, wanted)
    place, count = bins[which]
    return exp(BIN * (place + 0.5 - (ends[which] - wanted) / count))
