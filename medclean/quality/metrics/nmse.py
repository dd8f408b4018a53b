"""Error against the energy of the reference; the root, as DAGAN has it."""

from dataclasses import dataclass
from math import nan, sqrt

from medclean.quality.metrics._errors import Errors, OfErrors


@dataclass(frozen=True)
class Nmse(OfErrors):
    """``||result - reference|| / ||reference||``, 0 for equal images.

    This is what DAGAN (Yang et al., 2018) and those who compare with it print as NMSE; fastMRI's
    NMSE is its square. It depends on where 0 lies: in HU an image of air has the energy of bone.
    NaN where the reference is 0.
    """

    better = "lower"
    unit = "1"
    needs_reference = True

    def of(self, sums: Errors, data_range: float) -> float:
        return sqrt(sums.squared / sums.energy) if sums.energy else nan


PROVIDES = Nmse
