"""Stored numbers and real-world values: there and back without a bit lost, whatever the format.

Pure functions of arrays; nothing here knows a file.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclean.archive.series import digest_of
from medclean.errors import DataError
from medclean.volume import Image, Mask

_EXACT = float(1 << 24)  # integers up to here are float32 values


@dataclass(frozen=True)
class Encoding:
    """How stored numbers stand for real-world values: ``real = stored * slope + intercept``.

    Attributes:
        slope: One a frame; so is ``intercept``.
        intercept: In the series' unit.
        low: Least storable value.
        high: Greatest storable value.
        forbidden: Inclusive range of stored values that mean "no pixel": a result that falls into
            it moves to the nearest value outside. None where no value is reserved.
    """

    slope: tuple[float, ...]
    intercept: tuple[float, ...]
    low: int
    high: int
    forbidden: tuple[int, int] | None = None

    @property
    def scales(self) -> Iterable[tuple[float, float]]:
        """Slope and intercept of each frame."""
        return zip(self.slope, self.intercept, strict=True)

    @property
    def bits(self) -> int:
        """That the storable values take."""
        return (self.high - self.low).bit_length()


@dataclass(frozen=True, eq=False)
class Pixels:
    """The images of one instance, as they were read.

    Attributes:
        stored: ``(frames, rows, columns)``, of integers in DICOM; bits above Bits Stored are
            cleared, or repeat the sign.
        padding: True where the source's stored value must be restored; the same shape.
        encoding: What the stored values mean.
        digest: SHA-256 of ``stored``, little-endian, in C order, as hex.
        syntax: Transfer Syntax UID of the file; ``""`` in NIfTI.
    """

    stored: NDArray[Any]
    padding: Mask
    encoding: Encoding
    digest: str
    syntax: str = ""

    @cached_property
    def real(self) -> Image:
        """float32, the same shape, in the series' unit."""
        return to_real(self.stored, self.encoding)

    def __getstate__(self) -> dict[str, Any]:
        """What crosses to another process: ``real`` is made anew there, which is quicker."""
        return {name: value for name, value in vars(self).items() if name != "real"}


@dataclass(frozen=True, eq=False)
class Stored:
    """What a result becomes.

    Attributes:
        array: ``(frames, rows, columns)``, of the source's type.
        encoding: The source's.
        source: SHA-256 of the source's array, as in ``Pixels``.
        changed: Whether any value differs from the source's.
        clamped: Pixels that lay outside what can be stored.
        moved: Pixels that would have taken a value that means "no pixel".
    """

    array: NDArray[Any]
    encoding: Encoding
    source: str
    changed: bool = True
    clamped: int = 0
    moved: int = 0

    @property
    def digest(self) -> str:
        """SHA-256 of ``array``, as in ``Pixels``."""
        return digest_of(self.array) if self.changed else self.source


def to_real(stored: NDArray[Any], encoding: Encoding) -> Image:
    """Real-world values, rounded once, from float64 to float32.

    Args:
        stored: ``(frames, rows, columns)``.
        encoding: With a slope and an intercept a frame.
    """
    real = np.empty(stored.shape, np.float32)
    reach = max(abs(encoding.low), abs(encoding.high))
    for frame, (slope, intercept) in enumerate(encoding.scales):
        whole = slope.is_integer() and intercept.is_integer()
        exact = whole and reach * abs(slope) + abs(intercept) <= _EXACT
        kind = np.float32 if exact else np.float64  # the same values, in a third of the time
        with np.errstate(over="ignore", invalid="ignore"):  # of floats; readers refuse the result
            values = np.multiply(stored[frame], kind(slope), dtype=kind)
            real[frame] = np.add(values, kind(intercept), out=values)
    return real


def unchanged(pixels: Pixels) -> Stored:
    """The source's own numbers."""
    return Stored(pixels.stored, pixels.encoding, pixels.digest, changed=False)


def to_stored(result: Image, pixels: Pixels) -> Stored:
    """The numbers to store for a result: the source's own where the value is the source's own.

    Else the nearest value, of integers half to even, within what can be stored and outside what
    means "no pixel". Padding is the source's.

    Args:
        result: ``(frames, rows, columns)``, in the units of ``pixels.real``.
        pixels: What the reader gave.

    Raises:
        DataError: The result has another shape, or values that are no numbers.
    """
    if result.shape != pixels.stored.shape:
        raise DataError(f"the result is {result.shape}, expected {pixels.stored.shape}")
    if np.array_equal(result, pixels.real):
        return unchanged(pixels)
    if not np.isfinite(result).all():
        raise DataError("the result has values that are no numbers; try --precision float32")
    encoding, array, clamped, moved = pixels.encoding, pixels.stored.copy(), 0, 0
    whole = array.dtype.kind in "iu"
    low, high = _limits(encoding)
    for frame, (slope, intercept) in enumerate(encoding.scales):
        new = (result[frame] != pixels.real[frame]) & ~pixels.padding[frame]
        exact = (result[frame].astype(np.float64) - intercept) / slope
        nearest = np.rint(exact) if whole else exact
        within = np.clip(nearest, low, high)
        clamped += int(np.count_nonzero((within != nearest) & new))
        if encoding.forbidden is not None:
            hit = falls_into(within, encoding.forbidden) & new
            within[hit] = _beside(exact[hit], encoding.forbidden, encoding)
            moved += int(np.count_nonzero(hit))
        np.copyto(array[frame], within, where=new, casting="unsafe")  # within its type
    return Stored(array, encoding, pixels.digest, clamped=clamped, moved=moved)


def falls_into(values: NDArray[Any], ends: tuple[int, int]) -> Mask:
    """Where values lie in an inclusive range."""
    return (values >= ends[0]) & (values <= ends[1])


def _limits(encoding: Encoding) -> tuple[float, float]:
    """What can be stored, as float64 values that do not round out of its range."""
    high = float(encoding.high)
    return float(encoding.low), high if high <= encoding.high else float(np.nextafter(high, 0))


def _beside(
    exact: NDArray[np.float64], forbidden: tuple[int, int], encoding: Encoding
) -> NDArray[np.float64]:
    """The nearest storable value on either side of a range, for values that fall into it."""
    low, high = forbidden
    below, above = low - 1, high + 1
    if below < encoding.low:
        below = above
    elif above > encoding.high:
        above = below
    return np.where(exact - below <= above - exact, below, above).astype(np.float64)
