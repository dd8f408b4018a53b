"""What is known of one image, be it a file, a frame of one, or a tile: what grouping goes by."""

from collections.abc import Hashable
from typing import NamedTuple

from pydicom.uid import (
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
)

MULTI_FRAME: dict[str, str] = {  # modality by SOP Class
    EnhancedCTImageStorage: "CT",
    EnhancedMRImageStorage: "MR",
    EnhancedPETImageStorage: "PT",
    LegacyConvertedEnhancedCTImageStorage: "CT",
    LegacyConvertedEnhancedMRImageStorage: "MR",
    LegacyConvertedEnhancedPETImageStorage: "PT",
}


class Image(NamedTuple):
    """Facts of one image.

    Attributes:
        type: Values of Frame Type, or of Image Type.
        component: Complex Image Component (0008,9208).
        calculated: A projection or reformation, by Volume Based Calculation Technique (0008,9207).
        rescale_type: Of its own Pixel Value Transformation.
        units: Units (0054,1001).
        slope: Of its own Pixel Value Transformation; None where it has none, not a number where
            that is no number. So is ``intercept``.
        position: Image Position (Patient), mm.
        orientation: Image Orientation (Patient).
        spacing: Of rows and columns, mm.
        gap: To the next slice where positions do not tell, mm.
        contrast: What images of one stack have in common: echo, inversion, diffusion, stack.
        repetition: Repetition Time, ms.
        time: What orders images of one position.
        moment: Temporal position, where it is stated.
        acquisition: Number of the acquisition.
        trigger: Trigger delay, ms after the R wave.
        vendor_scale: Philips' scale slope (2005,xx0E).
    """

    type: tuple[str, ...] = ()
    component: str = ""
    calculated: bool = False
    rescale_type: str = ""
    units: str = ""
    slope: float | None = None
    intercept: float | None = None
    position: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None
    spacing: tuple[float, ...] | None = None
    gap: float = 1.0
    contrast: tuple[Hashable, ...] = ()
    repetition: float | None = None
    time: tuple[float, float, float, str, tuple[int, ...]] = (0.0, 0.0, 0.0, "", ())
    moment: float | None = None
    acquisition: float | None = None
    trigger: float | None = None
    vendor_scale: float | None = None
