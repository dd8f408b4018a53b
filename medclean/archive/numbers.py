"""Stored numbers and real-world values: there and back without a bit lost, whatever the format.

Pure functions of arrays; nothing here knows a file.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclean.archive.derivation import Role
from medclean.archive.series import digest_of
from medclean.archive.tables import Table
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
        forbidden: Inclusive range of stored values that mean "no pixel", one a frame: a result
            that falls into it moves to the nearest value outside. None where no value is reserved,
            and nothing at all where that holds for all frames.
        table: What stands in the place of slope and intercept, which are 1 and 0 then.
    """

    slope: tuple[float, ...]
    intercept: tuple[float, ...]
    low: int
    high: int
    forbidden: tuple[tuple[int, int] | None, ...] = ()
    table: Table | None = None

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
        digest: SHA-256 of ``stored``, little-endian, in C order, as hex; of all of it also in what
            ``frame`` gives.
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

    def frame(self, number: int) -> "Pixels":
        """One image alone, in the same memory: only its real-world values need be made."""
        if len(self.stored) == 1:
            return self
        of, one = self.encoding, slice(number, number + 1)
        encoding = replace(
            of, slope=of.slope[one], intercept=of.intercept[one], forbidden=of.forbidden[one]
        )
        stored, padding = self.stored[one], self.padding[one]
        return replace(self, stored=stored, padding=padding, encoding=encoding)

    def __getstate__(self) -> dict[str, Any]:
        """What crosses to another process: ``real`` is made anew there, which is quicker."""
        return {name: value for name, value in vars(self).items() if name != "real"}


@dataclass(frozen=True, eq=False)
class Stored:
    """What a result becomes, or what it has removed.

    Attributes:
        array: ``(frames, rows, columns)``, of the source's type; see ``residual`` for its own.
        encoding: The source's, likewise.
        source: SHA-256 of the source's array, as in ``Pixels``.
        changed: Whether any value differs from the source's.
        clamped: Pixels that lay outside what can be stored.
        moved: Pixels that would have taken a value that means "no pixel".
        denoised: Of a residual, SHA-256 of the result's array; of a result ``""``.
    """

    array: NDArray[Any]
    encoding: Encoding
    source: str
    changed: bool = True
    clamped: int = 0
    moved: int = 0
    denoised: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of ``array``, as in ``Pixels``."""
        return digest_of(self.array) if self.changed else self.source


def to_real(stored: NDArray[Any], encoding: Encoding) -> Image:
    """Real-world values, rounded once, from float64 to float32.

    Args:
        stored: ``(frames, rows, columns)``.
        encoding: With a slope and an intercept a frame, or with a table.
    """
    if encoding.table is not None:
        return encoding.table.real(stored)
    real = np.empty(stored.shape, np.float32)
    reach = max(abs(encoding.low), abs(encoding.high))
    for frame, (slope, intercept) in enumerate(encoding.scales):
        whole = slope.is_integer() and intercept.is_integer()
        exact = whole and reach * abs(slope) + abs(intercept) <= _EXACT
        kind = np.float32 if exact else np.float64  # the same values, in a third of the time
        with np.errstate(over="ignore", invalid="ignore"):  # of floats; readers refuse the result
            values = real[frame] if exact else np.empty(stored.shape[1:])
            np.multiply(stored[frame], kind(slope), out=values, dtype=kind)
            np.add(values, kind(intercept), out=values)
            if not exact:
                real[frame] = values
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
        DataError: The result has another shape, or values that are no numbers; or a table has no
            inverse.
    """
    if result.shape != pixels.stored.shape:
        raise DataError(f"the result is {result.shape}, expected {pixels.stored.shape}")
    differs = (result != pixels.real) & ~pixels.padding
    if not differs.any():
        return unchanged(pixels)
    if not np.isfinite(result).all():
        raise DataError("the result has values that are no numbers; try --precision float32")
    encoding, array, clamped, moved = pixels.encoding, pixels.stored.copy(), 0, 0
    whole = array.dtype.kind in "iu"
    low, high = _limits(encoding)
    for frame, (slope, intercept) in enumerate(encoding.scales):
        new = differs[frame]
        exact = (result[frame].astype(np.float64) - intercept) / slope
        if encoding.table is not None:
            beyond = ~falls_into(exact, encoding.table.ends)
            within = exact = encoding.table.nearest(exact)
        else:
            nearest = np.rint(exact) if whole else exact
            within = np.clip(nearest, low, high)
            beyond = within != nearest
        clamped += int(np.count_nonzero(beyond & new))
        if encoding.forbidden and (forbidden := encoding.forbidden[frame]):
            hit = falls_into(within, forbidden) & new
            within[hit] = _beside(exact[hit], forbidden, encoding)
            moved += int(np.count_nonzero(hit))
        np.copyto(array[frame], within, where=new, casting="unsafe")  # within its type
    return Stored(array, encoding, pixels.digest, clamped=clamped, moved=moved)


class Storing:
    """Stores results frame by frame, as they come; a frame without one keeps its own numbers.

    Args:
        pixels: What the reader gave.
    """

    def __init__(self, pixels: Pixels) -> None:
        self.stored = unchanged(pixels)
        self._pixels = pixels

    def put(self, number: int, result: Image) -> None:
        """Take the result of a frame, ``(rows, columns)``, as ``to_stored`` does.

        Raises:
            DataError: As ``to_stored``.
        """
        new, known = to_stored(result[np.newaxis], self._pixels.frame(number)), self.stored
        if not new.changed:
            return
        array = known.array if known.changed else known.array.copy()
        array[number] = new.array[0]
        clamped, moved = known.clamped + new.clamped, known.moved + new.moved
        self.stored = replace(known, array=array, changed=True, clamped=clamped, moved=moved)


def residual(stored: Stored, pixels: Pixels) -> Stored:
    """What a result has removed: stored result + stored residual = stored source.

    Of integers it is int16, and the sum is exact; ``clamped`` counts the pixels whose difference
    is wider, where it is not. Of floating-point numbers it has their type and is rounded once,
    which only matters where a value has become twice or half of what it was; ``clamped`` counts
    what overflows.

    Args:
        stored: The result.
        pixels: What it was made of.
    """
    source, result = pixels.stored, stored.array
    whole = source.dtype.kind in "iu"
    array = np.empty(source.shape, np.int16 if whole else source.dtype)
    subtract = _narrow_difference if whole else _difference
    clamped = sum(subtract(*frames) for frames in zip(source, result, array, strict=True))
    of = pixels.encoding
    low, high = (-(1 << 15), (1 << 15) - 1) if whole else (of.low, of.high)
    encoding = Encoding(of.slope, (0.0,) * len(source), low, high)
    return Stored(array, encoding, pixels.digest, clamped=clamped, denoised=stored.digest)


def by_role(
    stored: Stored, pixels: Pixels, roles: Collection[Role]
) -> Iterator[tuple[Role, Stored]]:
    """What is stored of a result for each role: itself, and what it has removed."""
    yield from ((r, residual(stored, pixels) if r == "residual" else stored) for r in roles)


def falls_into(values: NDArray[Any], ends: tuple[float, float]) -> Mask:
    """Where values lie in an inclusive range."""
    return (values >= ends[0]) & (values <= ends[1])


def _limits(encoding: Encoding) -> tuple[float, float]:
    """What can be stored, as float64 values that do not round out of its range."""
    high = float(encoding.high)
    return float(encoding.low), high if high <= encoding.high else float(np.nextafter(high, 0))


def _narrow_difference(
    source: NDArray[np.integer], result: NDArray[np.integer], to: NDArray[np.int16]
) -> int:
    """Write a difference of integers; returns how many of them do not fit.

    Differences are taken in the type of both, or one of 16 bits, where they may wrap: their size as
    an unsigned integer and their lowest 16 bits are right all the same.
    """
    kind = f"{source.dtype.kind}{max(source.itemsize, 2)}"
    source, result = source.astype(kind, copy=False), result.astype(kind, copy=False)
    less = source < result
    gap = np.where(less, result - source, source - result).view(f"u{source.itemsize}")
    np.copyto(to, source - result, casting="unsafe")
    wide = gap > np.where(less, 1 << 15, (1 << 15) - 1)
    return int(np.count_nonzero(wide))


def _difference(
    source: NDArray[np.floating], result: NDArray[np.floating], to: NDArray[np.floating]
) -> int:
    """Write a difference of floating-point numbers; returns how many of them overflow."""
    with np.errstate(over="ignore"):
        np.subtract(source, result, out=to)
    return int(np.count_nonzero(~np.isfinite(to)))


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
