"""Self-ensemble: a slice denoised in all its flips and rotations, and averaged."""

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

Denoise: TypeAlias = Callable[[Tensor], Tensor]

TURNS: tuple[Denoise, ...] = (  # each undoes itself; one after another they make all eight
    lambda images: images.flip(-1),
    lambda images: images.flip(-2),
    lambda images: images.transpose(-2, -1),
)


def ensemble(denoise: Denoise) -> Denoise:
    """The mean over the eight flips and rotations of ``(N, C, H, W)`` (Timofte et al., 2016).

    Taken by halves, so that eight equal values have exactly themselves for a mean. Only images are
    turned: what is given beside them, such as the spacing of oblong pixels, stays as it is.

    Args:
        denoise: Takes ``(N, C, H, W)`` to ``(N, 1, H, W)``, any H and W.
    """
    for turn in TURNS:
        denoise = _both_ways(denoise, turn)
    return denoise


def _both_ways(denoise: Denoise, turn: Denoise) -> Denoise:
    return lambda images: (denoise(images) + turn(denoise(turn(images)))) / 2
