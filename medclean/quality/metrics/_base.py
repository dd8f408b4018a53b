"""What metrics share: slices are looked at one by one, and a case is told from what they add.

So that a case of any length needs the memory of some slices, and workers can share them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import fsum, isfinite
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from medclean.errors import DataError
from medclean.volume import Mask

T = TypeVar("T")
Part: TypeAlias = tuple[float, ...]  # what a slice adds to the figure of its case


@dataclass(frozen=True, eq=False)
class Pair:
    """A slice, and the one that it is compared with.

    Attributes:
        result: ``(rows, columns)``.
        other: The same shape and unit: the reference, or the noisy slice for a metric that
            ``needs_noisy``; None where there is none.
        data_range: What 1 means to PSNR and SSIM, in the unit of the images.
        spacing: Of rows and columns, in mm.
        known: What metrics have found out about these images, see ``once``; pairs of the same slice
            may share it.

    Raises:
        DataError: Different shapes, values that are no numbers, or a range that is not above 0.
    """

    result: NDArray[Any]
    other: NDArray[Any] | None
    data_range: float
    spacing: tuple[float, float] = (1.0, 1.0)
    known: dict[tuple[Any, ...], tuple[Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for image in (self.result, self.other):
            if image is not None and image.shape != self.result.shape:
                raise DataError(f"{self.result.shape} against {image.shape}; expected one shape")
            if image is not None and not np.isfinite(image).all():
                raise DataError("NaN or infinity in an image; expected finite numbers")
        if not (self.data_range > 0 and isfinite(self.data_range)):
            raise DataError(f"data range {self.data_range:g}, expected more than 0")

    @property
    def compared(self) -> NDArray[Any]:
        """The slice that the result is compared with.

        Raises:
            DataError: There is none.
        """
        if self.other is None:
            raise DataError("nothing to compare with; this metric needs a second image")
        return self.other

    def once(self, found: Callable[..., T], *arguments: Any) -> T:
        """What a function returns for these very arguments: called once, whoever asks."""
        key = (found, *map(id, arguments))
        if key not in self.known:  # with the arguments, which are not to be freed and replaced
            self.known[key] = arguments, found(*arguments)
        value: T = self.known[key][1]
        return value


class Metric(ABC):
    """A figure of images.

    A subclass is a frozen dataclass, and its facts are literals.

    Attributes:
        better: ``"higher"``, ``"lower"``, ``"zero"`` (of either sign), or ``"same"`` (as before).
        unit: ``"1"`` where it has none, ``"image"`` where it has that of the images.
        regions: Where it can be told: the whole ``image``, the ``body``, a ``mask``, the image cut
            to a ``window`` of values, ``two`` masks against each other.
        needs_reference: It compares with the truth; else it may only look there for edges.
        needs_noisy: It compares with the image before denoising.
        modalities: That it is for; ``""`` for all.
    """

    better = "higher"
    unit = "1"
    regions = "image body mask window"
    needs_reference = True
    needs_noisy = False
    modalities = ""

    @abstractmethod
    def parts(self, pair: Pair, masks: Sequence[Mask | None]) -> list[Part | None]:
        """What a slice adds in each region; None where it has nothing to add there.

        Args:
            pair: The slice.
            masks: True inside, one a region; None for the whole.
        """

    @abstractmethod
    def whole(self, parts: Sequence[Part], data_range: float) -> float:
        """The figure of a case from what its slices add, at least one; NaN where it has none."""

    def __call__(
        self,
        result: NDArray[Any],
        reference: NDArray[Any] | None = None,
        *,
        data_range: float = 1.0,
        mask: Mask | None = None,
        spacing: tuple[float, float] = (1.0, 1.0),
    ) -> float:
        """The figure of a slice ``(rows, columns)``, or of a stack of them.

        Args:
            result: In real-world units.
            reference: What it is compared with, see ``Pair``; the same shape.
            data_range: What 1 means, in the unit of the images.
            mask: Where to look, of that shape; everywhere if not given.
            spacing: Of rows and columns, in mm.

        Returns:
            NaN where it cannot be told, as for a mask without voxels.

        Raises:
            DataError: See ``Pair``.
        """
        if reference is not None and reference.shape != result.shape:
            raise DataError(f"{result.shape} against {reference.shape}; expected one shape")
        found: list[Part] = []
        for place in np.ndindex(result.shape[:-2]):
            other = None if reference is None else reference[place]
            pair = Pair(result[place], other, data_range, spacing)
            (part,) = self.parts(pair, [None if mask is None else mask[place]])
            found += [] if part is None else [part]
        return self.whole(found, data_range) if found else float("nan")


def summed(parts: Iterable[Part]) -> Part:
    """Sums, rounded once, so that no order of slices matters."""
    return tuple(fsum(column) for column in zip(*parts, strict=True))


def averaged(parts: Sequence[Part]) -> float:
    """The mean of parts of one number: what a case has of a metric of slices."""
    return fsum(value for (value,) in parts) / len(parts)
