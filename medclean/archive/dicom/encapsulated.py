"""Compressed frames in their items (PS3.5 A.4): whether all are there, without decoding any."""

from collections.abc import Sequence
from mmap import mmap
from struct import Struct
from typing import NamedTuple

import numpy as np

from medclean.errors import DataError

_HEAD = Struct("<LL")  # tag, as it reads in this order, and length
_ITEM, _END = 0xE000FFFE, 0xE0DDFFFE
_EOI, _TAIL = b"\xff\xd9", 10  # of JPEG and its kin, and bytes in which pydicom looks for it
_DAMAGED = "its compressed pixels are damaged"


class Fragment(NamedTuple):
    """Where the bytes of an item lie."""

    start: int
    stop: int


def refuse_fewer(
    data: bytes | mmap,
    *,
    frames: int,
    start: int = 0,
    stop: int = 0,
    extended: Sequence[bytes] = (),
) -> None:
    """Nothing, as long as there are as many frames as the header says, by the rules of pydicom.

    Args:
        data: What the items lie in.
        frames: Number of Frames.
        start: First byte of the first item, the Basic Offset Table.
        stop: First byte behind the last item; 0 for all of ``data``.
        extended: Extended Offset Table and its lengths, where there are any.

    Raises:
        DataError: There are fewer, or what should be an item is none.
    """
    items = _items(data, start, stop or len(data))
    if not items or (items[0].stop - items[0].start) % 4:
        raise DataError(f"{_DAMAGED}: there is no offset table, not even an empty one")
    offsets, fragments = np.frombuffer(data[slice(*items[0])], "<u4"), items[1:]
    if extended:
        found = min(len(table) // 8 for table in extended)
    elif len(offsets):
        found = _by_offsets(offsets.tolist(), fragments)
    elif len(fragments) <= frames:
        found = len(fragments)
    else:
        ends = [_EOI in data[max(at, end - _TAIL) : end] for at, end in fragments]
        found = 1 if frames == 1 else sum(ends) + (not ends[-1])
    if found < frames:
        raise DataError(f"{_DAMAGED} or cut off: they hold {found} of {frames} frames")


def _items(data: bytes | mmap, at: int, stop: int) -> list[Fragment]:
    items = []
    while at + 4 <= stop:
        head = data[at : min(at + _HEAD.size, stop)]
        tag, length = _HEAD.unpack(head.ljust(_HEAD.size, b"\0"))
        if tag == _END:
            break
        if tag != _ITEM or len(head) < _HEAD.size or length == 0xFFFFFFFF:
            raise DataError(f"{_DAMAGED}: something else stands where an item should begin")
        at += _HEAD.size
        items.append(Fragment(at, min(at + length, stop)))
        at += length
    return items


def _by_offsets(offsets: Sequence[int], fragments: Sequence[Fragment]) -> int:
    """Frames that a table tells apart: the next begins with the fragment at its offset, or past."""
    frames, at = 1, 0
    for start, stop in fragments:
        if frames < len(offsets) and at >= offsets[frames]:
            frames += 1
        at += stop - start + _HEAD.size
    return min(frames, len(fragments))
