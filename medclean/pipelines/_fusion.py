"""PET over the MR of the same frame of reference, for a look: nothing is registered or written."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medclean.archive.dicom.parse import NotAnImage, parse_header
from medclean.archive.workers import Workers
from medclean.errors import DataError
from medclean.pipelines._sight import Images, Sight, drawn, look_at
from medclean.report import pictures
from medclean.report.page import Slice, View
from medclean.report.pictures import Grade, Look
from medclean.report.svg import number
from medclean.report.upright import upright_affine
from medclean.volume import Image

SLICES = 9
SIDE = 256  # pixels of a picture, about, and of an MR slice that is kept
QUALITY = 85
COVERED = 0.3  # of a PET slice, from where on it is worth a look


class Under(NamedTuple):
    """What PET is laid over.

    Attributes:
        sight: Of an MR series.
        name: What it is called on the page.
    """

    sight: Sight
    name: str


def under(pet: Sight, others: Mapping[str, Sight], workers: Workers) -> Under | None:
    """The MR of most slices in the study and in the frame of reference of a PET series.

    Args:
        pet: Of any modality; nothing is found for others.
        others: Series that are shown, too, by name.
        workers: They read headers.
    """

    def frame(sight: Sight) -> str:
        return workers.submit(_frame, sight.root / sight.series.instances[0].path).result()

    if pet.series.modality != "PT" or pet.series.format != "dicom" or not (own := frame(pet)):
        return None
    found = [
        Under(one, name)
        for name, one in others.items()
        if one.series.modality == "MR"
        and one.series.study_uid == pet.series.study_uid
        and not one.shows_text
        and frame(one) == own
    ]
    return max(found, key=lambda under: len(under.sight.stack.frames), default=None)


def fused(pet: Sight, under: Under, look: Look, workers: Workers) -> View | None:
    """Some slices of PET, before and after, in hot colours over MR; None where they do not meet.

    Args:
        pet: With its results.
        under: An MR series of the same frame of reference.
        look: How PET is shown.
        workers: They read.
    """
    found = _whole(under.sight, workers)
    if found is None:
        return None
    volume, affine = found
    stack = pet.stack
    places = pictures.spread(len(stack.frames), min(SLICES, len(stack.frames)), [])
    seen = [
        one
        for _, done in workers.map(look_at, pet.tasks(places, None, None))
        for one in done.result()
    ]
    grey = pictures.window_of(volume, "MR", under.sight.scale_by(volume))
    many = max(SIDE // max(stack.shape), 1)
    look = replace(look, grade=Grade(2 * SIDE, QUALITY))
    slices = []
    for one in seen:
        below = _resampled(volume, affine, pet, one.place, many)
        if one.images is None or np.isfinite(below).mean() < COVERED:
            continue
        ground = np.nan_to_num((below - grey[0]) / ((grey[1] - grey[0]) or 1))
        slices.append(_drawn(one.images, ground, look, one.place, many))
    if not slices:
        return None
    high, wide = (side * mm for side, mm in zip(stack.shape, stack.spacing[1:], strict=True))
    says = (
        f"PET from {number(look.window[0])} to {number(look.window[1])} {pet.series.unit} in hot "
        f"colours, at most {pictures.OPAQUE:.0%} opaque, over MR {under.name} before denoising, "
        "which is resampled linearly onto the slices of PET by the positions in the files; "
        "nothing is registered."
    )
    middle = len(slices) // 2
    return View("over MR", wide, high, len(stack.frames), tuple(slices), middle, says)


def _whole(sight: Sight, workers: Workers) -> tuple[Image, NDArray[np.float64]] | None:
    """A stack as a volume, coarse where its slices are large, with its upright affine."""
    stack = sight.stack
    step = -(-max(stack.shape) // SIDE)
    tasks = sight.tasks(list(range(len(stack.frames))), None, None)
    slices = [
        one.images.before[::step, ::step]
        for _, done in workers.map(look_at, tasks)
        for one in done.result()
        if one.images
    ]
    affine = upright_affine(stack.affine, stack.shape)
    affine[:, 1:3] *= step
    return (np.stack(slices), affine) if len(slices) > 1 else None


def _resampled(
    volume: Image, affine: NDArray[np.float64], pet: Sight, place: int, many: int
) -> Image:
    """A volume where a slice of PET lies, ``many`` pixels for each of its own; NaN outside."""
    stack = pet.stack
    rows, columns = ((np.arange(side * many) + 0.5) / many - 0.5 for side in stack.shape)
    down, across = np.meshgrid(rows, columns, indexing="ij")
    ones = np.ones_like(down)
    at = np.stack([place * ones, down, across, ones])
    to = np.linalg.inv(affine) @ upright_affine(stack.affine, stack.shape)
    where = np.tensordot(to, at, 1)[:3]
    return ndimage.map_coordinates(volume, where, order=1, cval=np.nan, output=np.float32)


def _drawn(images: Images, ground: Image, look: Look, place: int, many: int) -> Slice:
    def over(image: Image | None) -> str:
        if image is None:
            return ""
        return look.over(np.repeat(np.repeat(image, many, 0), many, 1), ground)

    after = tuple(map(over, images.after))
    return drawn(images, look, place)._replace(before=over(images.before), after=after)


def _frame(path: Path) -> str:
    """The frame of reference of a DICOM file; ``""`` where it does not say. Runs in a worker."""
    try:
        return str(parse_header(path).data.get("FrameOfReferenceUID", ""))
    except (DataError, NotAnImage):
        return ""
