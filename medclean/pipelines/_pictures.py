"""Small pictures of masks and of k-space."""

import numpy as np
from numpy.typing import NDArray

from medclean.volume import Mask

DARKEST = 1e-5  # of the greatest magnitude that is told from none


def png(grey: NDArray[np.floating]) -> bytes:
    """A grey picture ``(rows, columns)`` of values from 0 to 1."""
    import imagecodecs

    levels = np.rint(255 * np.clip(grey, 0, 1)).astype(np.uint8)
    return bytes(imagecodecs.png_encode(levels))


def of_mask(mask: Mask) -> bytes:
    """White where it samples: of a volume the plane that it chooses readouts in."""
    if mask.ndim == 3:
        readouts = (mask == mask[..., :1]).all()
        mask = mask[..., 0] if readouts and (mask != mask[:1]).any() else mask[0]
    return png(mask.astype(np.float32))


def of_kspace(kspace: NDArray[np.complexfloating]) -> bytes:
    """The logarithm of the magnitude, of k-space ``(rows, columns)``."""
    magnitude = np.abs(kspace).astype(np.float64)
    share = magnitude / (magnitude.max() or 1)
    return png(np.log1p(share / DARKEST) / np.log1p(1 / DARKEST))
