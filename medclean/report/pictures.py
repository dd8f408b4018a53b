"""Pictures of slices for a page: windowed, made small where they must be, inside the page."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medclean.physics.signal.body import body_mask
from medclean.volume import Image

WINDOW = (-160.0, 240.0)  # HU
ERRORS = {"CT": 100.0}  # HU to either side; else a share of scale
SHARE = 0.1
OPAQUE = 0.75  # PET over MR
COLD, WARM = (0.35, 0.66, 1.0), (1.0, 0.62, 0.25)  # too dark, too bright; black is right


class Grade(NamedTuple):
    """How large and how well pictures are kept; ``quality`` None keeps each grey value."""

    side: int
    quality: int | None

    def __str__(self) -> str:
        """For the page."""
        kept = "kept without loss" if self.quality is None else f"as JPEG of quality {self.quality}"
        return f"at most {self.side} pixels a side, {kept}"


GRADES = (Grade(512, None), Grade(512, 90), Grade(512, 75), Grade(384, 70), Grade(256, 60))


@dataclass(frozen=True)
class Look:
    """How a series is shown, alike in all of its slices.

    Attributes:
        window: Lowest and highest value that the grey scale tells apart.
        limit: Ends of the grey scale of what was removed, around 0.
        error: Ends of the colours of errors, likewise.
        inverse: Black is high, as nuclear medicine looks at it.
        grade: Size and quality.
    """

    window: tuple[float, float]
    limit: float
    error: float
    inverse: bool
    grade: Grade

    def grey(self, image: Image) -> str:
        """An image in the window."""
        low, high = self.window
        share = (_smaller(image, self.grade.side) - low) / ((high - low) or 1)
        return uri(1 - share if self.inverse else share, self.grade)

    def over(self, image: Image, ground: Image) -> str:
        """An image in hot colours, the more opaque the higher, over a grey one from 0 to 1."""
        low, high = self.window
        share = np.clip((image - low) / ((high - low) or 1), 0, 1)[..., None]
        hot = np.clip(np.concatenate([3 * share, 3 * share - 1, 3 * share - 2], axis=-1), 0, 1)
        opaque = OPAQUE * np.minimum(2 * share, 1)
        return uri((1 - opaque) * np.clip(ground, 0, 1)[..., None] + opaque * hot, self.grade)

    def removed(self, before: Image, after: Image) -> str:
        """What was taken away: grey where that is nothing."""
        change = _smaller(before - after, self.grade.side)
        return uri(0.5 + change / (2 * self.limit), self.grade)

    def errors(self, image: Image, reference: Image) -> str:
        """What is too bright or too dark."""
        share = np.clip(_smaller(image - reference, self.grade.side) / self.error, -1, 1)
        colours = np.where(share[..., None] > 0, WARM, COLD) * np.abs(share)[..., None]
        return uri(colours, self.grade)


def uri(picture: NDArray[Any], grade: Grade) -> str:
    """A picture of values from 0 to 1, ``(rows, columns)`` or with colours, as a data URI."""
    levels = np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)
    if grade.quality is None:
        kind, content = "png", imagecodecs.png_encode(levels, level=6)
    else:
        kind, content = "jpeg", imagecodecs.jpeg_encode(levels, level=grade.quality)
    return f"data:image/{kind};base64,{b64encode(bytes(content)).decode()}"


def window_of(image: Image, modality: str, scale: float) -> tuple[float, float]:
    """The window of a series: up to its scale, from 0 or from where a slice begins below that."""
    if modality == "CT":
        return WINDOW
    low = 0.0 if image.min() >= 0 or modality == "PT" else float(np.percentile(image, 0.1))
    return low, scale


def limit_of(changes: Sequence[Image]) -> float:
    """What shows nearly all of what was removed, to one digit, so that it can be stated."""
    limit = max((float(np.percentile(np.abs(c), 98)) for c in changes), default=0.0)
    if not limit > 0:
        return 1.0
    digit = 10.0 ** floor(log10(limit))
    return round(limit / digit) * digit


def detail_of(image: Image, modality: str) -> tuple[float, float]:
    """Where a slice has most to see inside the body, as shares of its width and height."""
    slope = ndimage.gaussian_gradient_magnitude(np.asarray(image, np.float32), 1.5)
    side = max(min(image.shape) // 6, 1)
    inside = body_mask(image, modality).astype(np.float32)
    full = ndimage.uniform_filter(inside, side) ** 2  # the rim of the body is no detail
    busy = ndimage.uniform_filter(np.minimum(slope, np.percentile(slope, 98)) * inside, side) * full
    rows, columns = (3 * length // 10 for length in image.shape)
    inner = busy[rows : image.shape[0] - rows or None, columns : image.shape[1] - columns or None]
    row, column = np.unravel_index(int(inner.argmax()), inner.shape)
    return (float(column) + columns) / image.shape[1], (float(row) + rows) / image.shape[0]


def spread(count: int, many: int, first: Sequence[int]) -> list[int]:
    """So many places of a stack: those that must be seen, and others evenly between its ends."""
    kept = list(dict.fromkeys(place for place in first if 0 <= place < count))[:many]
    if many >= count:
        return list(range(count))
    even = np.linspace(0, count - 1, many - len(kept) + 2)[1:-1]
    return sorted({*kept, *(round(float(place)) for place in even)})


def _smaller(image: Image, side: int) -> Image:
    """Means over squares where a picture is larger than it may be; of a line over what it has."""
    step = -(-max(image.shape) // side)
    if step == 1:
        return image
    down, across = (min(step, length) for length in image.shape)
    rows, columns = image.shape[0] // down, image.shape[1] // across
    blocks = image[: rows * down, : columns * across].reshape(rows, down, columns, across)
    return blocks.mean(axis=(1, 3), dtype=np.float32)
