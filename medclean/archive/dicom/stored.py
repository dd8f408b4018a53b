"""What the bits of stored integers mean, and which of them are no image.

Pure functions of arrays; nothing here knows a file.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclean.archive.numbers import Encoding, falls_into
from medclean.volume import Mask

Integers = NDArray[np.integer]

OFTEN = 0.01  # of the border
AIR = -1024.0  # HU; a constant border that is not above it is no image


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
) -> tuple[Mask, tuple[tuple[int, int] | None, ...]]:
    """Where pixels are no image, and the range that a denoised pixel must not take, for each frame.

    The range is none where it is background: 0 in MR, or a value that occurs away from the border.
    A border of CT that is constant and not above -1024 HU counts as padding undeclared; one pixel
    in a hundred there says that it is, and not that noise has a least value.

    Args:
        stored: ``(frames, rows, columns)``.
        modality: ``"CT"``, ``"MR"``, ``"PT"`` or ``""``.
        encoding: Slope and intercept are asked; a table has no values as low as air.
        declared: As ``declared_padding`` gives it.
    """
    mask = np.zeros(stored.shape, bool)
    forbidden: tuple[tuple[int, int] | None, ...] = ()
    if declared is not None:
        mask = falls_into(stored, declared)
        zero = modality == "MR" and declared[0] <= 0 <= declared[1]
        inside = [zero or bool((frame & ~_at_border(frame)).any()) for frame in mask]
        forbidden = tuple(None if background else declared for background in inside)
    if modality == "CT" and encoding.table is None:
        for frame, (slope, intercept) in enumerate(encoding.scales):
            border = _border(stored[frame])
            least = border.min() if slope > 0 else border.max()
            often = np.count_nonzero(border == least) >= OFTEN * border.size
            if often and least * slope + intercept <= AIR:
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


def _at_border(mask: Mask) -> Mask:
    """The parts of a mask ``(rows, columns)`` that touch the border of the image."""
    if not mask.any():
        return mask
    from scipy import ndimage  # which takes long to import, and is seldom needed

    labels, parts = ndimage.label(mask)
    touching = np.zeros(parts + 1, bool)
    touching[_border(labels)] = True
    touching[0] = False  # what lies outside the mask
    return touching[labels]


def _border(image: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
