"""What a denoiser did beside its task: figures of a series, from before and after alone.

Each file of a series adds a ``Part``, which is small, fit for JSON and kept with the file; the
figures are made of all parts, exactly, in whatever order they came. What is right on average may
be wrong in one place, so that each figure is taken twice: pooled over all voxels of the series,
and of each frame by itself, where chance has the benefit of the doubt. The worse of both counts.
Nobody knows the truth here: a figure says where to look, not what is right.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from medclean.quality import pooled
from medclean.quality.figures import Figures, Place
from medclean.quality.frames import LEAST, part_of
from medclean.quality.parts import BADNESS, Part, structure, together
from medclean.volume import Image, Mask


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
