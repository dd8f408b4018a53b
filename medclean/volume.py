"""What lies between readers and writers: a volume, and what is known about an image."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medclean.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

Image: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]
Factors: TypeAlias = tuple[int, int]  # pixels that one sample became, along rows and columns
Level: TypeAlias = float | str  # 0.05 and "5%" are relative to the scale, "20HU" is absolute

_LEVEL = re.compile(r"([-+]?[\d.]+(?:e[-+]?\d+)?) ?([^\d.\s]\S*)", re.IGNORECASE)

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
        bias: What the coils multiply the image by; broadcasts to it.
        suv: Standardised uptake value of 1 Bq/ml.
        interpolated: Pixels that one measured sample became, along rows and columns.
        rng: For models that draw while they denoise.
        device: Where what begins in a sinogram is computed, as torch spells it.
        progress: Called with the share that is done, 0 to 1.
    """

    unit: str
    scale: "float | Tensor"
    spacing: tuple[float, float, float]
    modality: str
    sigma: "float | Tensor | None" = None
    bias: "float | Image | Tensor | None" = None
    suv: "float | Tensor | None" = None
    interpolated: Factors = (1, 1)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    device: str = "cpu"
    progress: Callable[[float], None] = lambda share: None

    def absolute(self, level: Level) -> Any:
        """A level in the image's unit: a float, or a tensor where ``scale`` is one.

        Raises:
            UsageError: The level is stated in another unit.
        """
        value, unit = level_of(level)
        if unit in ("", "%"):
            return value * self.scale / (100 if unit else 1)
        if unit == self.unit:
            return value
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


def level_of(level: Level) -> tuple[float, str]:
    """A level's number and its unit: ``("20HU")`` to ``(20.0, "HU")``; ``""`` for one of scale.

    Raises:
        ValueError: It is no number with or without a unit, or less than 0.
    """
    match = _LEVEL.fullmatch(level) if isinstance(level, str) else None
    try:
        value = float(match[1] if match else level)
    except ValueError:
        raise ValueError(f"level {level!r}, expected 0.05, 5% or a number with a unit") from None
    if not value >= 0 or value == inf:
        raise ValueError(f"level {level!r}, expected 0 or more")
    return value, match[2] if match else ""


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
