"""Metrics of the difference, voxel by voxel, over all voxels of a case."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medclean.quality.metrics._base import Metric, Pair, Part, summed
from medclean.volume import Mask


class Errors(NamedTuple):
    """Sums over voxels, of result - reference where nothing else is said."""

    voxels: float
    error: float
    absolute: float
    squared: float
    energy: float  # of the reference: its squares
    total: float  # of the reference: its values


class OfErrors(Metric):
    """A figure that follows from such sums."""

    def parts(self, pair: Pair, masks: Sequence[Mask | None]) -> list[Part | None]:
        """An ``Errors`` for each region that is not empty."""
        return [pair.once(_sums, pair.result, pair.compared, mask) for mask in masks]

    def whole(self, parts: Sequence[Part], data_range: float) -> float:
        return self.of(Errors(*summed(parts)), data_range)

    def of(self, sums: Errors, data_range: float) -> float:
        """The figure."""
        raise NotImplementedError


def _sums(result: NDArray[Any], reference: NDArray[Any], mask: Mask | None) -> Errors | None:
    if mask is not None:
        result, reference = result[mask], reference[mask]
    if not result.size:
        return None
    y = reference.ravel().astype(np.float64)
    e = result.ravel() - y
    return Errors(e.size, *map(float, (e.sum(), np.abs(e).sum(), e @ e, y @ y, y.sum())))
