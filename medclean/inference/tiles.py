"""A slice cut into tiles whose results, put together, equal the result of the whole slice."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

from medclean.errors import UsageError


class Span(NamedTuple):
    """Where a tile lies along one axis, and which of its pixels are taken from it."""

    start: int
    stop: int
    first: int
    last: int


def spans(length: int, tile: int, *, overlap: int, stride: int) -> Iterator[Span]:
    """Cut an axis: tiles begin at multiples of ``stride`` and share ``overlap`` pixels or more.

    Each pixel is taken from the tile whose edge is farthest from it.

    Raises:
        UsageError: The tile is too narrow to hold the overlap and anything new.
    """
    step = (tile - overlap) // stride * stride
    if step < 1 and tile < length:
        least = overlap + stride
        raise UsageError(
            f"tile is {tile}, expected at least {least} for this model: try {2 * least}"
        )
    last = max(0, -(-(length - tile) // stride) * stride)
    starts = [*range(0, last, max(step, 1)), last]
    cuts = [0, *((b + a + tile) // 2 for a, b in pairwise(starts)), length]
    for start, (first, stop) in zip(starts, pairwise(cuts), strict=True):
        yield Span(start, min(start + tile, length), first, stop)


def by_tiles(
    denoise: Callable[[Tensor], Tensor], images: Tensor, tile: int, *, overlap: int, stride: int
) -> Tensor:
    """Denoise ``(N, C, H, W)`` tile by tile to ``(N, 1, H, W)``.

    Args:
        denoise: What is done to each tile.
        images: Whole slices.
        tile: Width and height of a tile in pixels.
        overlap: At least the model's receptive field.
        stride: The model's.
    """
    height, width = images.shape[-2:]
    result = images.new_empty(len(images), 1, height, width)
    for y in spans(height, tile, overlap=overlap, stride=stride):
        for x in spans(width, tile, overlap=overlap, stride=stride):
            part = denoise(images[..., y.start : y.stop, x.start : x.stop])
            kept = part[
                ..., y.first - y.start : y.last - y.start, x.first - x.start : x.last - x.start
            ]
            result[..., y.first : y.last, x.first : x.last] = kept
    return result
