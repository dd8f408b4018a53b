"""Structural similarity (Wang et al., 2004), mean over slices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from skimage.metrics import structural_similarity

from medclean.quality.metrics._base import Metric, Pair, Part, averaged
from medclean.volume import Mask

WINDOWS: dict[str, tuple[int, dict[str, Any]]] = {  # width in pixels, and how to ask for it
    "gaussian": (11, {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}),
    "uniform": (7, {}),
}


@dataclass(frozen=True)
class Ssim(Metric):
    """1 for equal images, near 0 for unrelated ones; K1 0.01, K2 0.03, data range explicit.

    In a mask it is the mean of the map over the mask. Pixels whose window leaves the image do not
    count.

    Attributes:
        window: gaussian has 11 pixels and sigma 1.5; uniform is the plain 7 x 7 window with sample
            covariance, which scikit-image takes by itself, and so the figures of many papers.
        range: Times the data range; 2 shows what papers print whose images lie from 0 to 1, and
            whose scikit-image of old took floats to lie from -1 to 1.
    """

    window: Literal["gaussian", "uniform"] = "gaussian"
    range: float = 1.0

    better = "higher"
    unit = "1"
    needs_reference = True

    def __post_init__(self) -> None:
        if not self.range > 0:
            raise ValueError(f"range is {self.range:g}, expected more than 0")

    def parts(self, pair: Pair, masks: Sequence[Mask | None]) -> list[Part | None]:
        width, how = WINDOWS[self.window]
        if min(pair.result.shape) < width:
            return [None] * len(masks)
        _, similar = structural_similarity(
            pair.compared.astype(np.float64),
            pair.result.astype(np.float64),
            data_range=pair.data_range * self.range,
            full=True,
            **how,
        )
        inner = (slice(width // 2, -(width // 2)),) * 2
        found = (similar[inner] if m is None else similar[inner][m[inner]] for m in masks)
        return [(float(values.mean()),) if values.size else None for values in found]

    def whole(self, parts: Sequence[Part], data_range: float) -> float:
        return averaged(parts)


PROVIDES = Ssim
