"""Overlays in the unused high bits of pixels (retired), moved to elements of their own."""

import numpy as np
from numpy.typing import NDArray

from medclean.archive.dicom.elements import Changes, Elements

_GROUPS = range(0x6000, 0x6020, 2)
_ROWS, _COLUMNS, _FRAMES, _ORIGIN_FRAME = 0x0010, 0x0011, 0x0015, 0x0051
_BITS_ALLOCATED, _BIT_POSITION, _LOCATION, _DATA = 0x0100, 0x0102, 0x0200, 0x3000


def buried(source: Elements) -> list[tuple[int, int]]:
    """Overlays that lie in the pixels themselves: the tag of their group, and their bit.

    None where the value does not end at Bits Stored, because then no bit is taken away.
    """
    allocated, stored = source.number("BitsAllocated"), source.number("BitsStored")
    if source.number("HighBit") != stored - 1:
        return []
    positions = ((group << 16, source.number(group << 16 | _BIT_POSITION)) for group in _GROUPS)
    return [
        (at, position)
        for at, position in positions
        if at | _DATA not in source and stored <= position < allocated
    ]


def moved_overlays(source: Elements, words: NDArray[np.integer]) -> Changes:
    """Overlay Data for each overlay that lies in the pixels themselves (PS3.5 8.1.2, PS3.3 C.9.2).

    The pixels that we write have no bits above Bits Stored, whatever the encoder.

    Args:
        source: The source's data set.
        words: ``(frames, rows, columns)``, the pixels with all their bits.
    """
    changes: Changes = {}
    for at, position in buried(source):
        plane = (words >> np.array(position, words.dtype)).astype(np.uint8) & 1
        changes |= {
            at | _ROWS: words.shape[1],
            at | _COLUMNS: words.shape[2],
            at | _BITS_ALLOCATED: 1,
            at | _BIT_POSITION: 0,
            at | _LOCATION: None,  # retired: the group that held it, of the pixels
            at | _DATA: ("OW", np.packbits(plane, bitorder="little").tobytes()),
        }
        if len(words) > 1:
            changes |= {at | _FRAMES: str(len(words)), at | _ORIGIN_FRAME: 1}
    return changes
