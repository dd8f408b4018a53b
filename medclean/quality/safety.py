"""What a denoiser did beside its task: figures of a series, from before and after alone.

Each file of a series adds a ``Part``, which is small, fit for JSON and kept with the file; the
figures are made of all parts, exactly, in whatever order they came. Nobody knows the truth here:
a figure says where to look, not what is right.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, fsum, sqrt
from statistics import median
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medclean.physics.signal import gradients
from medclean.physics.signal.body import body_within
from medclean.physics.signal.gradients import STEP, Field
from medclean.physics.signal.noise_level import LAGS, NORMAL_MAD, noise_at
from medclean.volume import Image, Mask

SURE = 5.0  # sigma of noise: above it Rician noise raises the mean by a tenth of sigma at most
LEAST = (
    0.1  # of the body's voxels must be that sure, or else bias would be one of a few bright ones
)
STRONGEST = 0.02  # share of a slice's gradients that count as edges
CLEAR = 5.0  # times what noise makes of a gradient: weaker ones are no edges
BIN = 0.02  # width of the bins of log(after / before) that the median of edges comes from
BINS = 100  # on either side: ratios from 0.14 to 7.4
PLACES = 2048  # of a slice where its noise is measured
AIR = -1000.0  # HU: CT has no signal there
SPOT = 4.0  # pixels: standard deviation of the Gaussian that spots are looked for with
MAJORITY = 0.5  # of the neighbourhood of a spot must be body, and sure
MOST = 1000.0  # that a spot can reach
NOWHERE = -1.0  # is its height where there is nowhere to look for one

_BLUR = sqrt(SPOT**2 - gradients.WIDTH**2) / STEP  # points: makes one Gaussian of the other
_SPOT_NOISE = gradients.NOISE * gradients.WIDTH / SPOT


@dataclass(frozen=True)
class Part:
    """What a file adds to the figures of its series.

    Attributes:
        sure: Voxels whose signal is sure, and the sum of their change (after - before).
        alike: Moments of change and result over the voxels of the body; see ``_moments``.
        steep: Those of the size of the change and the gradient of the result.
        edges: Bin and count of the ratios of gradients, after to before.
        noise: Its standard deviation before and after, a pair a frame.
        spot: Height of the greatest spot (or ``NOWHERE``), and its frame, row and column.
    """

    sure: Sequence[float]
    alike: Sequence[float]
    steep: Sequence[float]
    edges: Sequence[tuple[int, int]]
    noise: Sequence[Sequence[float]]
    spot: Sequence[float]


class Spot(NamedTuple):
    """Where the greatest change of a lesion's size is."""

    path: str
    frame: int
    row: int
    column: int


@dataclass(frozen=True)
class Figures:
    """What a series shows; None where it cannot be measured.

    Attributes:
        bias: Mean of after - before where the signal is sure; HU in CT, else % of scale.
        structure: How much the change resembles the image: the larger of |r| with the result,
            and of r of its size with the result's gradient (Pearson). Less change at edges than
            elsewhere is what a careful filter does, so that a negative r of these counts as 0.
        edges: Median ratio of gradients, after to before, over the strongest.
        noise: Ratio of the noise, after to before.
        spot: Greatest change of a lesion's size, in standard deviations of what noise explains.
        at: Where that is.
    """

    bias: float | None = 0.0
    structure: float | None = 0.0
    edges: float | None = 1.0
    noise: float | None = 1.0
    spot: float | None = 0.0
    at: Spot | None = None


def measure(frames: Iterable[tuple[Image, Image, Mask]], modality: str) -> Part | None:
    """What one file adds.

    Args:
        frames: Of each in order: before and after, ``(rows, columns)`` in real-world units as
            they are stored, and padding, True where a pixel is no part of the image. One is held
            at a time.
        modality: ``"CT"`` is in HU; anything else has its background near 0.

    Returns:
        None where nothing changed: such a frame adds nothing, and a series of them has the
        figures of ``Figures()``.
    """
    parts = [
        _frame(before, after, padding, modality, number)
        for number, (before, after, padding) in enumerate(frames)
        if (before != after).any()
    ]
    return _together(parts) if parts else None


def figures(parts: Mapping[str, Part], *, modality: str, scale: float) -> Figures:
    """The figures of a series.

    Args:
        parts: Of its files that changed, by path.
        modality: As for ``measure``.
        scale: What 1 means in the series.
    """
    if not parts:
        return Figures()
    whole = _together([parts[path] for path in sorted(parts)])
    voxels, change = whole.sure
    bias = change / voxels if voxels > LEAST * whole.alike[0] else None
    alike, steep = _pearson(whole.alike), _pearson(whole.steep)
    befores, afters = zip(*whole.noise, strict=True)
    noise = median(befores)
    path = next(path for path in sorted(parts) if parts[path].spot == whole.spot)
    height, *place = whole.spot
    return Figures(
        bias=bias if bias is None or modality == "CT" else 100 * bias / scale,
        structure=None if alike is None or steep is None else max(abs(alike), steep),
        edges=_median_ratio(whole.edges),
        noise=median(afters) / noise if noise else None,
        spot=height if height != NOWHERE else None,
        at=Spot(path, *map(int, place)) if height > 0 else None,
    )


def _frame(before: Image, after: Image, padding: Mask, modality: str, number: int) -> Part:
    if padding.any() and not padding.all():  # one value all over, so that its rim is no edge
        least = before[~padding].min()
        before, after = np.where(padding, least, before), np.where(padding, least, after)
    change = after - before
    old, new = gradients.field(before), gradients.field(after)
    body = body_within(old.mean, modality)
    if padding.any():
        body &= gradients.local_mean(padding.astype(np.float32)) < 1e-3
    sigma, left = _noise(before, after, body, old)
    sure = body & (old.mean - (AIR if modality == "CT" else 0) > SURE * sigma)
    inside, surely = (gradients.at_pixels(mask, before.shape) for mask in (body, sure))
    moved = change[surely]
    seen = (body, inside) if modality == "CT" else (sure, surely)
    return Part(
        sure=[moved.size, float(moved.sum(dtype=np.float64))],
        alike=_moments(change[inside], after[inside]),
        steep=_moments(np.abs(change[::STEP, ::STEP][body]), new.slope[body]),
        edges=_ratios(old, new, body, sigma),
        noise=[[sigma, left]],
        spot=_spot(change, *seen, sigma, number),
    )


def _noise(before: Image, after: Image, body: Mask, old: Field) -> tuple[float, float]:
    """Noise before and after, in the same places: where the body is flattest."""
    flat = body & (old.slope <= np.median(old.slope[body])) if body.any() else body
    rows, columns = (STEP * place for place in np.nonzero(flat))
    reach, (height, width) = LAGS[-1], before.shape
    whole = (rows >= reach) & (rows < height - reach) & (columns >= reach)
    rows, columns = (p[whole & (columns < width - reach)] for p in (rows, columns))
    every = max(1, len(rows) // PLACES)
    rows, columns = rows[::every], columns[::every]
    here = before[rows, columns]
    varies = (before[rows - 1, columns] != here) | (before[rows, columns - 1] != here)
    rows, columns = rows[varies], columns[varies]
    return noise_at(before, rows, columns), noise_at(after, rows, columns)


def _ratios(old: Field, new: Field, body: Mask, sigma: float) -> list[tuple[int, int]]:
    """Gradients after to before over the strongest, counted in bins."""
    slopes = old.slope[body]
    if not slopes.size:
        return []
    kept = ceil(STRONGEST * slopes.size)
    least = np.partition(slopes, slopes.size - kept)[slopes.size - kept]
    edge = body & (old.slope >= least) & (old.slope > CLEAR * gradients.SLOPE_NOISE * sigma)
    ratios = new.slope[edge] / old.slope[edge]
    tiny = exp(-BIN * BINS)
    bins = np.rint(np.log(np.clip(ratios, tiny, 1 / tiny)) / BIN).astype(int)
    return [(int(b), int(c)) for b, c in zip(*np.unique(bins, return_counts=True), strict=True)]


def _spot(change: Image, where: Mask, pixels: Mask, sigma: float, number: int) -> list[float]:
    """The greatest local mean of the change, measured by its own spread and that of the noise.

    Means are of the pixels asked about alone, where these are most of the neighbourhood: around
    them Rician noise lifts what is dark, and a good denoiser takes that away.
    """
    share = ndimage.gaussian_filter(where.astype(np.float32), SPOT / STEP)
    sums = ndimage.gaussian_filter(gradients.local_mean(np.where(pixels, change, 0)), _BLUR)
    where = where & (share > MAJORITY)
    if not where.any():
        return [NOWHERE, number, 0, 0]
    local = sums[where] / share[where]
    height = np.abs(local - np.median(local)) * np.sqrt(share[where])  # means of fewer vary more
    peak, spread = float(height.max()), float(np.median(height)) / NORMAL_MAD
    row, column = (int(place[height.argmax()]) for place in np.nonzero(where))
    score = peak / max(spread, _SPOT_NOISE * sigma, peak / MOST) if peak else 0.0
    return [score, number, STEP * row, STEP * column]


def _moments(x: NDArray[np.floating], y: NDArray[np.floating]) -> list[float]:
    """Count, sums, sums of squares, sum of products; added up without BLAS, alike everywhere."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    return [x.size, *(float(v.sum()) for v in (x, y, x * x, y * y, x * y))]


def _pearson(moments: Sequence[float]) -> float | None:
    """Pearson's r; 0 where one of them is constant, None for nothing."""
    count, x, y, xx, yy, xy = moments
    if not count:
        return None
    spread = (xx - x * x / count) * (yy - y * y / count)
    return (xy - x * y / count) / sqrt(spread) if spread > 0 else 0.0


def _median_ratio(bins: Iterable[tuple[int, int]]) -> float | None:
    """The median of ratios that were counted in bins, evenly spread within its bin."""
    counts = sorted(bins)
    half, below = sum(count for _, count in counts) / 2, 0
    for place, count in counts:
        if below + count >= half:
            return exp(BIN * (place - 0.5 + (half - below) / count))
        below += count
    return None


def _together(parts: Sequence[Part]) -> Part:
    """Several parts as one; sums are rounded once, so that no order matters."""
    edges: Counter[int] = Counter()
    for part in parts:
        edges.update(dict(part.edges))
    return Part(
        sure=_summed([part.sure for part in parts]),
        alike=_summed([part.alike for part in parts]),
        steep=_summed([part.steep for part in parts]),
        edges=[(place, edges[place]) for place in sorted(edges)],
        noise=[pair for part in parts for pair in part.noise],
        spot=max((part.spot for part in parts), key=lambda spot: spot[0]),
    )


def _summed(rows: Iterable[Sequence[float]]) -> list[float]:
    return [fsum(column) for column in zip(*rows, strict=True)]
