"""What one frame adds to the figures of its series, and what it shows by itself."""

from math import ceil, hypot, sqrt
from typing import NamedTuple

import numpy as np

from medclean.physics.signal import gradients
from medclean.physics.signal.body import body_within
from medclean.physics.signal.gradients import STEP, Field
from medclean.physics.signal.noise_level import LAGS, Levels, noise_at
from medclean.quality import pooled, shifts, spots
from medclean.quality.parts import Part, structure
from medclean.volume import Image, Mask

SURE = 5.0  # sigma of noise: above it Rician noise raises the mean by a tenth of sigma at most
LEAST = 0.1  # of the body's voxels must be that sure: bias is not that of a few bright ones
DARK = 2.0  # sigma: below it Rician noise lifts the mean by up to 1.25, which a good one takes away
STRONGEST = 0.02  # share of a slice's gradients that count as edges
CLEAR = 5.0  # times what noise makes of a gradient: weaker ones are no edges
PLACES = 2048  # of a slice where its noise is measured
FEWEST = 30  # places that a level must be from for spots to be measured by it
AIR = -1000.0  # HU: CT has no signal there
SHADES = 256  # of grey that a screen shows, of MR and PET from 0 to the brightest place of a slice
WINDOW = 400.0  # HU that they are spread over, as for an abdomen
FAINT = 0.25  # of the noise: a smaller change is lost in it
HIDDEN = 0.125  # shades: what a spot is divided by at least; one of a whole shade is then amber

# What chance is given where a frame stands for itself: the worst of thousands must be no accident
DOUBT = 3.0  # standard errors
ALONG = 4.0  # points of edges that count as one in the error of their median
ROBUST = 1.2  # relative error of a noise level, times the root of its places (Gauss: 0.7)


def part_of(before: Image, after: Image, padding: Mask, modality: str, number: int) -> Part:
    """What a frame adds that changed; see ``safety.measure``.

    Args:
        before: ``(rows, columns)``.
        after: The same shape.
        padding: Likewise; True where a pixel is no part of the image.
        modality: ``"CT"`` is in HU.
        number: Of the frame in its file.
    """
    if padding.any() and not padding.all():  # one value all over, so that its rim is no edge
        least = before[~padding].min()
        before, after = np.where(padding, least, before), np.where(padding, least, after)
    change = after - before
    old, new = gradients.field(before), gradients.field(after)
    body = body_within(np.maximum(old.mean, new.mean), modality)  # also one that was not there
    if padding.any():
        body &= gradients.local_mean(padding.astype(np.float32)) < 1e-3
    shade = (WINDOW if modality == "CT" else float(np.abs(old.mean).max())) / SHADES
    noise = _noise(before, after, body, old)
    sigma = noise.before.level
    sure = body & (old.mean - (AIR if modality == "CT" else 0) > SURE * sigma)
    inside, surely = (gradients.at_pixels(mask, before.shape) for mask in (body, sure))
    lit = body if modality == "CT" else body & (old.mean > DARK * sigma)
    moved, faint = change[surely], hypot(shade, FAINT * sigma)
    alike = pooled.moments(change[inside], after[inside], blur=faint)
    steep = pooled.moments(np.abs(change[::STEP, ::STEP][body]), new.slope[body], blur=faint)
    edges = _ratios(old, new, body, sigma)
    shown = {
        "bias": shifts.greatest(change, surely, least=LEAST * np.count_nonzero(inside)),
        "structure": _alone(structure(alike, steep, doubt=DOUBT)),
        "edges": _alone(_sharper(edges)),
        "noise": _alone(noise.louder(shade)),
        "spot": spots.greatest(change, body, lit, sigma=sigma, least=HIDDEN * shade)
        if noise.places >= FEWEST
        else None,
    }
    return Part(
        sure=[moved.size, float(moved.sum(dtype=np.float64))],
        alike=alike,
        steep=steep,
        edges=edges,
        noise=[[noise.before.widest, noise.after.widest]],
        worst={name: [found[0], number, *found[1:]] for name, found in shown.items() if found},
    )


class _Noise(NamedTuple):
    """Levels before and after, in the same places, and how many these are."""

    before: Levels
    after: Levels
    places: int

    def louder(self, shade: float) -> float | None:
        """How much the noise grew beyond chance, and what can be seen; None without a place."""
        if not self.places:
            return None
        before, after = (hypot(found.finest, shade) for found in (self.before, self.after))
        return after / before / (1 + DOUBT * ROBUST * sqrt(2 / self.places))


def _noise(before: Image, after: Image, body: Mask, old: Field) -> _Noise:
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
    old_levels, new_levels = (noise_at(image, rows, columns) for image in (before, after))
    return _Noise(old_levels, new_levels, len(rows))


def _ratios(old: Field, new: Field, body: Mask, sigma: float) -> list[tuple[int, int]]:
    """Gradients after to before over the strongest, counted in bins."""
    slopes = old.slope[body]
    if not slopes.size:
        return []
    kept = ceil(STRONGEST * slopes.size)
    least = np.partition(slopes, slopes.size - kept)[slopes.size - kept]
    edge = body & (old.slope >= least) & (old.slope > CLEAR * gradients.SLOPE_NOISE * sigma)
    return pooled.binned(new.slope[edge] / old.slope[edge])


def _sharper(edges: list[tuple[int, int]]) -> float | None:
    """Their median ratio, as near to 1 as chance allows; None for none."""
    count = sum(number for _, number in edges)
    return pooled.median(edges, doubt=DOUBT / 2 * sqrt(ALONG / count)) if count else None


def _alone(value: float | None) -> tuple[float] | None:
    """A figure of the frame as a whole."""
    return None if value is None else (value,)
