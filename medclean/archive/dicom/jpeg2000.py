"""JPEG 2000 codestreams, taken apart; and decoded, if nothing tells that they are damaged.

Paragraphs are those of ISO 15444-1. Nothing in a codestream sums it up, and a decoder makes an
image of nearly anything: what is cut off, missing or altered has to be looked for.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from numpy.typing import NDArray

from medclean.errors import DataError

SLACK = 8
"""Bytes by which coded data may be longer or shorter than what their decoder reads of them.

Encoders end them in several ways, but none of 80 real frames was off by more than 4. Of frames with
one bit altered anywhere nine in ten are beyond this, of strongly compressed ones more than half.
"""
_DAMAGED = "its JPEG 2000 codestream is damaged"

SOC = b"\xff\x4f\xff\x51"  # and SIZ, which always follows
FILE = b"\0\0\0\x0cjP"  # a JP2 file, which has no place in DICOM but occurs
WAVELET = {0x52: 13, 0x53: 10}  # COD, COC (of less than 257 components): the wavelet, from there on
_SOT, _EOC = 0x90, b"\xff\xd9"
_SHORTEST = 14  # a tile-part: SOT and SOD
_ENDS_OTHERWISE = 0x05  # of a code-block's style: raw passes, an end after each pass (A.6.1)
_PREDICTABLE = 0x10  # likewise: the coder ends as C.2.9 has it


class Segment(NamedTuple):
    """A marker segment: what marks it, and where in the codestream."""

    marker: int
    at: int


class Form(NamedTuple):
    """What the main header says of the samples (A.5.1).

    Attributes:
        components: How many; the rest is of the first.
        bits: Of a sample.
        signed: Whether it has a sign.
        rounds: Some component uses the 9-7 wavelet, which does (A.6.1, A.6.2).
    """

    components: int
    bits: int
    signed: bool
    rounds: bool


def segments(codestream: bytes) -> Iterator[Segment]:
    """The marker segments of the main header from SIZ on, and the first of a tile, if it comes.

    Args:
        codestream: From its SOC marker, or with a file header before it; what begins otherwise is a
            further fragment of one, and has none.
    """
    if not codestream.startswith((SOC, FILE)):
        return
    at = codestream.find(SOC) + 2
    while at >= 2 and codestream[at : at + 1] == b"\xff" and at + 4 <= len(codestream):
        found = Segment(codestream[at + 1], at)
        yield found
        length = _number(codestream, at + 2, 2)
        if found.marker == _SOT or length < 2:
            break
        at += 2 + length


def form(codestream: bytes) -> Form | None:
    """What the main header says of the samples; None where it is none."""
    found = [*segments(codestream)]
    if not found or len(codestream) < found[0].at + 41:
        return None
    at, wavelets = found[0].at, [codestream[place : place + 1] for place in _wavelets(found)]
    precision = codestream[at + 40]
    return Form(
        _number(codestream, at + 38, 2),
        (precision & 0x7F) + 1,
        bool(precision >> 7),
        b"\0" in wavelets,
    )


def fault(codestream: bytes) -> str:
    """How a codestream is not whole; ``""`` where its tile-parts are all there (A.4, B.3)."""
    found = [*segments(codestream)]
    if not found or found[-1].marker != _SOT:
        return "its main header is cut off or damaged"
    tiles, seen, at = _tiles(codestream, found[0].at), set[int](), found[-1].at
    while codestream[at : at + 2] == bytes((0xFF, _SOT)):
        tile, length = _number(codestream, at + 4, 2), _number(codestream, at + 6, 4)
        length = length or codestream.rfind(_EOC) - at  # 0: it is the last
        if tile >= tiles or length < _SHORTEST:
            return "a tile-part says what cannot be"
        seen.add(tile)
        at += length
    if codestream[at : at + 2] != _EOC:
        return "it is cut off, or its tile-parts have not the lengths that they state"
    return f"{tiles - len(seen)} of its {tiles} tiles are missing" if len(seen) < tiles else ""


def refuse_faulty(codestream: bytes) -> None:
    """Nothing, if a codestream is whole.

    Raises:
        DataError: It is not.
    """
    if why := fault(codestream):
        raise DataError(f"{_DAMAGED}: {why}")


def decoded(codestream: bytes) -> NDArray[Any]:
    """Decode a whole codestream, and see to it that the arithmetic decoder ends where data end.

    Altered data lead it astray, so that it stops short of their end or goes beyond. The decoder
    looks there if the codestream says that its coder was ended predictably; so it is told so, which
    changes nothing else.

    Returns:
        ``(rows, columns)``, or with components behind.

    Raises:
        DataError: It does not; or the codestream is not whole.
        RuntimeError: It cannot be decoded.
    """
    refuse_faulty(codestream)
    import imagecodecs

    told = bytearray(codestream)
    for style in (place - 1 for place in _wavelets(segments(codestream))):
        if not told[style] & _ENDS_OTHERWISE:
            told[style] |= _PREDICTABLE
    with _warnings() as said:
        image: NDArray[Any] = imagecodecs.jpeg2k_decode(bytes(told), numthreads=1, verbose=2)
    off = [int(size) for text in said for size in re.findall(r"PTERM check failure: (\d+)", text)]
    if max(off, default=0) > SLACK:
        raise DataError(
            "its JPEG 2000 codestream is damaged: its coded data do not end where a decoder does"
        )
    return image


def _wavelets(found: Iterable[Segment]) -> Iterator[int]:
    """Where the main header states wavelets, each behind the style of code-blocks."""
    return (found.at + WAVELET[found.marker] for found in found if found.marker in WAVELET)


def _tiles(codestream: bytes, siz: int) -> int:
    """How many tiles there are by SIZ (A.5.1, B.3); 0 where that makes no sense."""
    right, below, _, _, width, height, left, top = (
        _number(codestream, siz + 6 + 4 * field, 4) for field in range(8)
    )
    if not width or not height or right <= left or below <= top:
        return 0
    return -((left - right) // width) * -((top - below) // height)


def _number(codestream: bytes, at: int, size: int) -> int:
    return int.from_bytes(codestream[at : at + size], "big")


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What a decoder says meanwhile."""
    said: list[str] = []

    class Hears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, hears = logging.getLogger("imagecodecs"), Hears()
    before, logger.propagate = (logger.propagate, logger.level), False
    logger.setLevel(logging.WARNING)
    logger.addHandler(hears)
    try:
        yield said
    finally:
        logger.removeHandler(hears)
        logger.propagate, logger.level = before
