"""What ``bm3d`` and ``bm4d`` have in common: images smaller than their package can take."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclean.models._told import Remove

LEAST = 32  # pixels along each side; below 9 the package ends the process


def with_room(remove: Remove) -> Remove:
    """The same for any ``(H, W)`` or ``(S, H, W)``: small ones are reflected to 32 pixels."""

    def removed(images: NDArray[Any], sigma: float) -> NDArray[Any]:
        height, width = images.shape[-2:]
        room = [(0, 0)] * (images.ndim - 2) + [(0, max(0, LEAST - s)) for s in (height, width)]
        return remove(np.pad(images, room, "symmetric"), sigma)[..., :height, :width]

    return removed
