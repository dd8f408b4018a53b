"""What a denoiser did beside its task: figures of a series, from before and after alone.

Each file of a series adds a ``Part``, which is small, fit for JSON and kept with the file; the
figures are made of all parts, exactly, in whatever order they came. What is right on average may
be wrong in one place, so that each figure is taken twice: pooled over all voxels of the series,
and of each frame by itself, where chance has the benefit of the doubt. The worse of both counts.
Nobody knows the truth here: a figure says where to look, not what is right.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from medclean.quality import pooled
from medclean.quality.frames import LEAST, part_of
from medclean.quality.parts import BADNESS, Part, structure, together
from medclean.volume import Image, Mask


class Place(NamedTuple):
    """A frame, and a pixel where it is not the frame as a whole that stands out."""

    path: str
    frame: int
    row: int | None = None
    column: int | None = None


@dataclass(frozen=True)
class Figures:
    """What a series shows; None where it cannot be measured.

    Attributes:
        bias: Mean of after - before where the signal is sure; HU in CT, else % of scale. A frame
            shows that of all its pixels, and of each region of a sixteenth.
        structure: How much the change resembles the image: the larger of |r| with the result,
            and of r of its size with the result's gradient (Pearson). Less change at edges than
            elsewhere is what a careful filter does, so that a negative r of these counts as 0;
            a change that cannot be seen, or is far below the noise, resembles little.
        edges: Median ratio of gradients, after to before, over the strongest.
        noise: Ratio of the noise, after to before.
        spot: Greatest change of a lesion's size, in standard deviations of what noise explains;
            of frames alone.
        pooled: By figure, what all voxels of the series say together.
        at: By figure, the frame that shows it most.
    """

    bias: float | None = 0.0
    structure: float | None = 0.0
    edges: float | None = 1.0
    noise: float | None = 1.0
    spot: float | None = 0.0
    pooled: Mapping[str, float | None] = field(default_factory=dict)
    at: Mapping[str, Place] = field(default_factory=dict)


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
        part_of(before, after, padding, modality, number)
        for number, (before, after, padding) in enumerate(frames)
        if (before != after).any()
    ]
    return together(parts) if parts else None


def figures(parts: Mapping[str, Part], *, modality: str, scale: float) -> Figures:
    """The figures of a series.

    Args:
        parts: Of its files that changed, by path.
        modality: As for ``measure``.
        scale: What 1 means in the series.
    """
    if not parts:
        return Figures()
    whole = together([parts[path] for path in sorted(parts)])
    of_all = {
        "bias": _bias(whole),
        "structure": structure(whole.alike, whole.steep),
        "edges": pooled.median(whole.edges),
        "noise": _noise(whole),
    }
    of_one: dict[str, float | None] = {name: shown[0] for name, shown in whole.worst.items()}
    if modality != "CT":
        for of in (of_all, of_one):
            if (bias := of.get("bias")) is not None:
                of["bias"] = 100 * bias / scale
    worse = {name: _worse(name, value, of_one.get(name)) for name, value in of_all.items()}
    at = {name: _place(parts, name, shown) for name, shown in whole.worst.items()}
    return Figures(**worse, spot=of_one.get("spot"), pooled=of_all, at=at)


def _place(parts: Mapping[str, Part], figure: str, shown: Sequence[float]) -> Place:
    path = next(path for path in sorted(parts) if parts[path].worst.get(figure) == shown)
    return Place(path, *(int(number) for number in shown[1:]))


def _bias(whole: Part) -> float | None:
    voxels, change = whole.sure
    return change / voxels if voxels > LEAST * whole.alike[0] else None


def _noise(whole: Part) -> float | None:
    before, after = (median(levels) for levels in zip(*whole.noise, strict=True))
    return after / before if before else None


def _worse(figure: str, of_all: float | None, of_one: float | None) -> float | None:
    """What all frames say, or one of them; nothing where all of them cannot say anything."""
    if of_all is None or of_one is None:
        return of_all
    return max(of_all, of_one, key=BADNESS[figure])
