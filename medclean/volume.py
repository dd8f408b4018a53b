"""What lies between readers and writers: a volume, and what is known about an image."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medclean.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

Image: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]
Level: TypeAlias = float | str  # 0.05 and "5%" are relative to the scale, "20HU" is absolute

UNITS = {"MR": "au", "CT": "HU", "PT": "Bq/ml"}
CT_SCALE = 4000.0  # HU from -1000 to 3000


@dataclass(frozen=True)
class Given:
    """What is known about an image, in the units of the array that it goes with.

    In a batch each field that differs between images is a tensor ``(N, 1, 1, 1)``.

    Attributes:
        unit: ``"HU"``, ``"Bq/ml"`` or ``"au"``; ``"1"`` once normalised.
        scale: What 1 means to a relative figure.
        spacing: Of slices, rows and columns, in mm.
        modality: ``"MR"``, ``"CT"`` or ``"PT"``; ``""`` where nobody said.
        sigma: Standard deviation of the noise.
        rng: For models that draw while they denoise.
        progress: Called with the share that is done, 0 to 1.
    """

    unit: str
    scale: "float | Tensor"
    spacing: tuple[float, float, float]
    modality: str
    sigma: "float | Tensor | None" = None
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    progress: Callable[[float], None] = lambda share: None

    def absolute(self, level: Level) -> Any:
        """A level in the image's unit: a float, or a tensor where ``scale`` is one.

        Raises:
            UsageError: The level is stated in another unit.
        """
        if not isinstance(level, str):
            return level * self.scale
        match = re.fullmatch(r"(\d+\.?\d*(?:e-?\d+)?) ?(\S+)", level)
        if match and match[2] in ("%", self.unit):
            return float(match[1]) * (self.scale / 100 if match[2] == "%" else 1)
        raise UsageError(f"level {level!r}: expected 0.05, 5% or a number in {self.unit}")

    def times(self, factor: "float | Tensor") -> "Given":
        """What is known once the image is multiplied by a factor, as a normaliser does."""
        sigma = None if self.sigma is None else self.sigma * factor
        return replace(self, unit="1", scale=self.scale * factor, sigma=sigma)


@dataclass(frozen=True, eq=False)
class Volume:
    """Slices of a series, in real-world units.

    Attributes:
        array: ``(slices, rows, columns)``.
        affine: ``(4, 4)``, (slice, row, column, 1) to patient coordinates (LPS) in mm.
        unit: As in ``Given``; so are ``modality`` and ``scale``.
    """

    array: Image
    affine: NDArray[np.float64]
    unit: str
    modality: str
    scale: float

    def with_array(self, new: Image) -> "Volume":
        """Other values in the same place, with the scale of the source."""
        return replace(self, array=new)

    def given(self, **more: Any) -> Given:
        """What is known about this volume, and more: ``volume.given(sigma=12.5)``."""
        slices, rows, columns = (float(s) for s in np.linalg.norm(self.affine[:3, :3], axis=0))
        return Given(self.unit, self.scale, (slices, rows, columns), self.modality, **more)


def scale_of(series: Image, modality: str, padding: Mask | None = None) -> float:
    """4000 HU for CT, else the 99.9th percentile of a series without its padding; 1 for 0.

    Args:
        series: All slices of a series, in real-world units.
        modality: ``"MR"``, ``"CT"`` or ``"PT"``.
        padding: True where a voxel is no part of the image; the shape of ``series``.
    """
    if modality == "CT":
        return CT_SCALE
    voxels = series if padding is None else series[~padding]
    return (float(np.percentile(voxels, 99.9)) if voxels.size else 0.0) or 1.0
