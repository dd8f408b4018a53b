"""What ``bm3d`` and ``bm4d`` have in common: Rician noise, and images that are too small."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medclean.models._told import Told
from medclean.physics.signal.rician import restore, stabilise

LEAST = 32  # pixels along each side; below 9 the package ends the process
By: TypeAlias = Callable[[NDArray[Any], float], NDArray[Any]]


@dataclass(frozen=True)
class Matched(Told):
    """What the noise is like.

    Attributes:
        noise: rician for magnitude images: made even, removed, and its bias with it.
    """

    noise: Literal["gaussian", "rician"] = "gaussian"

    def denoised(self, images: NDArray[np.float32], sigma: float, by: By) -> NDArray[Any]:
        """Denoise an image ``(H, W)`` or a volume ``(S, H, W)``.

        Args:
            images: In any unit.
            sigma: Of the noise, above 0, in that unit.
            by: Removes Gaussian noise of a sigma; is given 32 rows and columns or more.
        """
        height, width = images.shape[-2:]
        room = [(0, 0)] * (images.ndim - 2) + [(0, max(0, LEAST - s)) for s in (height, width)]
        roomy = np.pad(images, room, "symmetric")
        if self.noise == "rician":
            result = restore(by(stabilise(roomy, sigma), 1.0), sigma)
        else:
            result = by(roomy, sigma)
        return result[..., :height, :width]
