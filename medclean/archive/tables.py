"""A table in place of slope and intercept: Modality LUT (PS3.3 C.11.1)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medclean.errors import DataError
from medclean.volume import Image


@dataclass(frozen=True, eq=False)
class Table:
    """What stored values stand for, one by one.

    Attributes:
        first: Stored value that the first entry is for; lower ones stand for the same, as values
            above the last entry's stand for the last.
        entries: Real-world values, ``(n,)``.
    """

    first: int
    entries: NDArray[np.integer]

    def real(self, stored: NDArray[np.integer]) -> Image:
        """What stored values stand for, float32, of the same shape."""
        place = np.clip(stored.astype(np.int64) - self.first, 0, len(self.entries) - 1)
        return self.entries.astype(np.float32)[place]

    def nearest(self, real: NDArray[np.float64]) -> NDArray[np.float64]:
        """The stored values that stand for what is nearest, of two as near the even one.

        Of several that stand for the same, it is the least. What lies outside the table's values
        becomes their least or greatest.

        Raises:
            DataError: The table goes up and down, or stays where it is: it has no inverse.
        """
        values, places = self._inverse
        above = np.clip(np.searchsorted(values, real), 1, len(values) - 1)
        high, low = values[above] - real, real - values[above - 1]
        even = self._is_even[above] & ~self._is_even[above - 1]
        up = (high < low) | ((high == low) & even)
        return places[np.where(up, above, above - 1)]

    def refuse_one_way(self) -> None:
        """Nothing, unless ``nearest`` has no answer.

        Raises:
            DataError: The table goes up and down, or stays where it is: it has no inverse.
        """
        _ = self._inverse

    @property
    def ends(self) -> tuple[float, float]:
        """Its least and its greatest value."""
        return float(self.entries.min()), float(self.entries.max())

    @cached_property
    def _inverse(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Its different values in ascending order, and what is stored for each."""
        steps = np.diff(self.entries.astype(np.int64))
        if not (steps >= 0).all() and not (steps <= 0).all():
            raise DataError(
                "its Modality LUT goes up and down, so that a new value has no place in it; "
                "--model identity keeps such an image as it is"
            )
        values, places = np.unique(self.entries, return_index=True)
        if len(values) < 2:
            raise DataError("its Modality LUT has one value only, so that all pixels mean the same")
        return values.astype(np.float64), (places + self.first).astype(np.float64)

    @cached_property
    def _is_even(self) -> NDArray[np.bool_]:
        return self._inverse[1] % 2 == 0
