"""Peak signal-to-noise ratio, with an explicit peak."""

from dataclasses import dataclass
from math import inf, log10

from medclean.quality.metrics._errors import Errors, OfErrors


@dataclass(frozen=True)
class Psnr(OfErrors):
    """``10 log10(peak^2 / MSE)`` in dB; infinite for equal images.

    The peak is the data range: by DESIGN the scale of the reference series, 4000 HU for CT. Other
    peaks shift it: one of half the size by 6 dB. Over all voxels of a case it lies below the mean
    of its slices' values, by Jensen's inequality.
    """

    better = "higher"
    unit = "dB"
    needs_reference = True

    def of(self, sums: Errors, data_range: float) -> float:
        if sums.squared == 0:
            return inf
        return 20 * log10(data_range) - 10 * log10(sums.squared / sums.voxels)


PROVIDES = Psnr
