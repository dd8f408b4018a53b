"""How each paper scored its images, so that its tables can be compared with honestly.

Two figures of the same name are comparable only with the same peak, clipping and average. Where a
paper does not say, what its numbers imply is taken (see each ``says``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medclean.errors import UsageError

Peak = float | Literal["scale", "maximum"]


@dataclass(frozen=True)
class Convention:
    """How images are brought to where they are scored.

    Attributes:
        peak: What 1 means: a number in the unit of the image; the scale of the reference series;
            or the greatest value of the reference case.
        low: What 0 means, and where images are cut off: None for nowhere.
        high: Where they are cut off at the other end.
        relative: Figures are of images divided by the peak, from ``low`` on: RMSE has no unit.
        slice_by_slice: ``low`` and peak are the least value and the range of each reference slice.
        per_slice: Figures of a case are means over its slices, PSNR too.
        metrics: Specs for the names that the paper prints, where they differ.
        says: What the user is told.
    """

    peak: Peak = "scale"
    low: float | None = None
    high: float | None = None
    relative: bool = False
    slice_by_slice: bool = False
    per_slice: bool = False
    metrics: Mapping[str, str] = field(default_factory=dict)
    says: str = ""

    def range_of(self, scale: float, maximum: float) -> float:
        """The data range of a case, in the unit of what ``apply`` gives."""
        if self.relative:
            return 1.0
        return self._peak(scale, maximum)

    def apply(
        self, image: NDArray[Any], reference: NDArray[Any], *, scale: float, maximum: float
    ) -> NDArray[Any]:
        """A slice as it is scored.

        Args:
            image: The result, or the reference itself; ``(rows, columns)``.
            reference: The same shape.
            scale: Of the reference series.
            maximum: Of the reference case.
        """
        if self.low is not None or self.high is not None:
            image = np.clip(image, self.low, self.high)
        if self.slice_by_slice:
            least, width = reference.min(), np.ptp(reference)
            return (image - least) / (width or 1)
        if self.relative:
            return (image - (self.low or 0)) / self._peak(scale, maximum)
        return image

    def _peak(self, scale: float, maximum: float) -> float:
        known = {"scale": scale, "maximum": maximum}
        return known[self.peak] if isinstance(self.peak, str) else self.peak


def window(low: float, high: float) -> Convention:
    """Images cut to a range of values, with its width as the peak."""
    return Convention(peak=high - low, low=low, high=high)


OURS = Convention(says="peak: the scale of each reference series; figures over a case's voxels")

_OLD_SSIM = {"ssim": "ssim:window=uniform,range=2"}
_MEAN = "means over slices"
_UNKNOWN = f"the paper does not say how: peak the maximum of the case, {_MEAN}"

PAPERS: Mapping[str, Mapping[str, Convention]] = {
    "000": {
        "MR": Convention(
            peak="scale",
            relative=True,
            per_slice=True,
            metrics=_OLD_SSIM,
            says=f"images from 0 to 1, not clipped, as its NOISY row shows; {_MEAN}; SSIM with the "
            "range 2 and the plain window of Table II's baselines",
        ),
    },
    "001": {
        "CT": Convention(
            peak=400.0,
            low=-160.0,
            high=240.0,
            relative=True,
            per_slice=True,
            says=f"cut to -160..240 HU, peak 400 HU, RMSE as a share of it, {_MEAN}; its printed "
            "CT tables lie 10 dB in PSNR and 0.010 in RMSE above what such images can have",
        ),
        "MR": Convention(peak="maximum", per_slice=True, says=_UNKNOWN),
        "PT": Convention(peak="maximum", per_slice=True, says=_UNKNOWN),
    },
    "002": {
        "MR": Convention(
            relative=True,
            slice_by_slice=True,
            per_slice=True,
            metrics=_OLD_SSIM,
            says=f"each slice from 0 to 1 by the least and greatest value of its reference, {_MEAN}"
            "; SSIM with range 2 and the plain window, as in DAGAN's code; NMSE is the root",
        ),
    },
    "003": {
        "CT": Convention(
            peak=2000.0,
            low=-1000.0,
            high=3000.0,
            per_slice=True,
            says=f"cut to -1000..3000 HU, peak 2000 HU, which its RMSE and PSNR imply, {_MEAN}",
        ),
        "MR": Convention(per_slice=True, says=f"peak the scale of the series, {_MEAN}"),
        "PT": Convention(per_slice=True, says=f"peak the scale of the series, {_MEAN}"),
    },
    "004": {
        "MR": Convention(
            peak="maximum",
            relative=True,
            per_slice=True,
            says=f"images from 0 to 1 by the maximum of the case, not clipped, {_MEAN}; at 5 % "
            "noise its printed PSNR is below that of the noisy image",
        ),
    },
}


def convention(paper: str | None, modality: str) -> Convention:
    """How a paper scores images of a modality; without a paper, how medclean does.

    Raises:
        UsageError: The paper has no figures for such images.
    """
    if paper is None:
        return OURS
    known = PAPERS[paper]
    # NIfTI that states none follows the rules of MR.
    if (modality or "MR") not in known:
        raise UsageError(
            f"--paper {paper} has figures for {', '.join(known)}, and an image is {modality}; "
            "part them, or leave --paper away"
        )
    return known[modality or "MR"]
