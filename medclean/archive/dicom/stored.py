"""Stored integers and real-world values: there and back without a bit lost (DICOM.md 1.5).

Pure functions of arrays; nothing here knows a file.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medclean.archive.series import Encoding, Pixels
from medclean.errors import DataError
from medclean.volume import Image, Mask

Integers = NDArray[np.integer]

AIR = -1024.0  # HU; a constant border that is not above it is no image


class Stored(NamedTuple):
    """What a result becomes.

    Attributes:
        array: ``(frames, rows, columns)``, of the source's type.
        clamped: Pixels that lay outside what can be stored.
        moved: Pixels that would have taken a value that means "no pixel".
    """

    array: Integers
    clamped: int
    moved: int


def meaningful(words: Integers, bits: int) -> Integers:
    """Pixels without what stands above Bits Stored: overlays, or what a decoder left there.

    Args:
        words: As decoded; a signed type gets its sign from bit ``bits - 1``.
        bits: Bits Stored, with High Bit one less.
    """
    unused = words.dtype.itemsize * 8 - bits
    return words if not unused else words << unused >> unused


def storable(bits: int, *, signed: bool) -> tuple[int, int]:
    """The least and the greatest integer that Bits Stored and Pixel Representation allow."""
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def to_real(stored: Integers, encoding: Encoding) -> Image:
    """Real-world values, rounded once, from float64 to float32.

    Args:
        stored: ``(frames, rows, columns)``.
        encoding: With a slope and an intercept a frame.
    """
    real = np.empty(stored.shape, np.float32)
    for frame, (slope, intercept) in enumerate(_scales(encoding)):
        real[frame] = stored[frame] * np.float64(slope) + intercept
    return real


def to_stored(result: Image, pixels: Pixels) -> Stored:
    """The integers to store for a result: the source's own where the value is the source's own.

    Else the nearest integer, half to even, within what can be stored and outside what means "no
    pixel". Padding is the source's.

    Args:
        result: ``(frames, rows, columns)``, in the units of ``pixels.real``.
        pixels: What the reader gave.

    Raises:
        DataError: The result has another shape, or values that are no numbers.
    """
    if result.shape != pixels.stored.shape:
        raise DataError(f"the result is {result.shape}, expected {pixels.stored.shape}")
    if not np.isfinite(result).all():
        raise DataError("the result has values that are no numbers; try --precision float32")
    encoding, array, clamped, moved = pixels.encoding, pixels.stored.copy(), 0, 0
    for frame, (slope, intercept) in enumerate(_scales(encoding)):
        new = (result[frame] != pixels.real[frame]) & ~pixels.padding[frame]
        exact = (result[frame].astype(np.float64) - intercept) / slope
        nearest = np.rint(exact)
        within = np.clip(nearest, encoding.low, encoding.high)
        clamped += int(np.count_nonzero((within != nearest) & new))
        if encoding.forbidden is not None:
            hit = _falls_into(within, encoding.forbidden) & new
            within[hit] = _beside(exact[hit], encoding.forbidden, encoding)
            moved += int(np.count_nonzero(hit))
        np.copyto(array[frame], within, where=new, casting="unsafe")  # whole, and within its type
    return Stored(array, clamped, moved)


def declared_padding(
    value: int | None, limit: int | None, bits: int, *, signed: bool
) -> tuple[int, int] | None:
    """The inclusive range that Pixel Padding Value and Range Limit declare (PS3.3 C.7.5.1.1.2).

    Vendors write them with the other VR of the two, and without the sign's repetition above Bits
    Stored; both are read as the pixels are. None where that is no pixel value.

    Args:
        value: Pixel Padding Value (0028,0120), its 16 bits as an unsigned integer.
        limit: Pixel Padding Range Limit (0028,0121), likewise.
        bits: Bits Stored.
        signed: Whether Pixel Representation is 1.
    """
    if value is None:
        return None
    ends = [_as_pixel(end, bits, signed=signed) for end in (value, limit) if end is not None]
    low, high = storable(bits, signed=signed)
    return (min(ends), max(ends)) if low <= min(ends) and max(ends) <= high else None


def padding(
    stored: Integers, modality: str, encoding: Encoding, declared: tuple[int, int] | None
) -> tuple[Mask, tuple[int, int] | None]:
    """Where pixels are no image, and the range that a denoised pixel must not take.

    The range is none where it is background: 0 in MR, or a value that occurs away from the border.
    A border of CT that is constant and not above -1024 HU counts as padding undeclared.

    Args:
        stored: ``(frames, rows, columns)``.
        modality: ``"CT"``, ``"MR"``, ``"PT"`` or ``""``.
        encoding: Slope and intercept are asked.
        declared: As ``declared_padding`` gives it.
    """
    mask, forbidden = np.zeros(stored.shape, bool), declared
    if declared is not None:
        mask = _falls_into(stored, declared)
        inside = any((frame & ~_at_border(frame)).any() for frame in mask)
        if inside or (modality == "MR" and declared[0] <= 0 <= declared[1]):
            forbidden = None
    if modality == "CT":
        for frame, (slope, intercept) in enumerate(_scales(encoding)):
            border = _border(stored[frame])
            least = border.min() if slope > 0 else border.max()
            if least * slope + intercept <= AIR:
                mask[frame] |= _at_border(stored[frame] == least)
    return mask, forbidden


def _as_pixel(word: int, bits: int, *, signed: bool) -> int:
    """16 bits as an integer of the pixels' sign; of Bits Stored only, if they are else too many."""
    if not signed:
        return word
    value = word - (1 << 16) if word >> 15 else word
    if bits < 16 and value >= 1 << bits - 1:
        value = (value & (1 << bits) - 1) - (1 << bits)
    return value


def _scales(encoding: Encoding) -> Iterable[tuple[float, float]]:
    """Slope and intercept of each frame."""
    return zip(encoding.slope, encoding.intercept, strict=True)


def _falls_into(values: NDArray[Any], ends: tuple[int, int]) -> Mask:
    return (values >= ends[0]) & (values <= ends[1])


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


def _at_border(mask: Mask) -> Mask:
    """The parts of a mask ``(rows, columns)`` that touch the border of the image."""
    if not mask.any():
        return mask
    labels, parts = ndimage.label(mask)
    touching = np.zeros(parts + 1, bool)
    touching[_border(labels)] = True
    touching[0] = False  # what lies outside the mask
    return touching[labels]


def _border(image: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
