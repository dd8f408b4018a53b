"""Scans of lossless JPEG (ITU-T T.81 H): whether what a decoder made of one accounts for its bits.

Nothing in a scan sums it up, and no decoder says where it stopped reading. But an image, the code
lengths and the predictor tell how many bits the scan has: if it has as many, and nothing but its
end follows, then the decoder has read all of it, and nothing of it differently from another.
"""

from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Signed: TypeAlias = NDArray[np.signedinteger[Any]]

_SOF3, _SOS, _DHT, _EOI = 0xC3, 0xDA, 0xC4, b"\xff\xd9"
_FILL = b"\xff"  # may stand before a marker (B.1.1.2); one byte of any value, behind the last
_APPLICATION = range(0xE0, 0xF0)
_COMMENT = 0xFE
_WIDEST = 16  # category of the difference 32768, which no further bits follow (H.1.2.2)
_FRAME, _SCAN = 9, 6  # bytes of the headers of one component
_EARLIER, _LATER = slice(None, -1), slice(1, None)
_COUNTS = 16  # of codes, by their length
_NEVER = 1 << 30  # bits of a difference that has no code


class Scan(NamedTuple):
    """The only scan of a codestream of one component, without restarts or point transform.

    Scanners write no others. Of those the fast decoder takes some for what they are not.

    Attributes:
        precision: Bits of a sample.
        predictor: 1 to 7 (table H.1).
        code: Length of the code of each category of differences, 0 to 16; 0 where it has none.
        data: What is entropy-coded, up to the marker that ends the image.
    """

    precision: int
    predictor: int
    code: tuple[int, ...]
    data: bytes

    @classmethod
    def of(cls, codestream: bytes) -> "Scan | None":
        """The scan of a codestream; None where it is of another kind.

        Args:
            codestream: From its SOI marker on.
        """
        at, frame, codes = 2, b"", dict[int, tuple[int, ...]]()
        while codestream[at : at + 1] == b"\xff":
            marker, length = codestream[at + 1], int.from_bytes(codestream[at + 2 : at + 4], "big")
            segment = codestream[at + 4 : at + 2 + length]
            at += 2 + length
            if marker == _SOF3 and not frame:
                frame = segment
            elif marker == _DHT:
                codes |= _codes(segment)
            elif marker == _SOS:
                return cls._of_parts(frame, segment, codes, codestream[at:])
            elif marker != _COMMENT and marker not in _APPLICATION:
                break
        return None

    @classmethod
    def _of_parts(
        cls, frame: bytes, scan: bytes, codes: dict[int, tuple[int, ...]], rest: bytes
    ) -> "Scan | None":
        """With frame header (B.2.2), scan header (B.2.3), and what follows that."""
        data, end, behind = rest.partition(_EOI)
        if len(frame) != _FRAME or len(scan) != _SCAN or not end or behind[1:].strip(b"\0"):
            return None
        *_, components, component, sampling, _ = frame
        scanned, which, table, predictor, last, transform = scan
        plain = (components, sampling, scanned, last, transform) == (1, 0x11, 1, 0, 0)
        known = table >> 4 in codes and 1 <= predictor <= 7 and 2 <= frame[0] <= 16
        if not plain or not known or which != component:
            return None
        return cls(frame[0], predictor, codes[table >> 4], data.rstrip(_FILL))

    def made(self, image: NDArray[np.unsignedinteger]) -> bool:
        """Whether it is all of what an image takes, ``(rows, columns)``."""
        coded = np.frombuffer(self.data + b"\xff", np.uint8)
        (marks,) = np.nonzero(coded == 0xFF)  # each a byte stuffed behind it, or else a marker
        bits = int(_bits(self.code).take(self._differences(image)).sum(dtype=np.int64))
        stuffed = len(marks) - 1
        return not coded[marks[:-1] + 1].any() and -(-bits // 8) == len(self.data) - stuffed

    def _differences(self, image: NDArray[np.unsignedinteger]) -> NDArray[np.uint16]:
        """From what is predicted, modulo 65536 (H.1.2.1)."""
        samples = image.astype(np.uint16, copy=False)
        found = np.empty_like(samples)
        found[:1, :1] = samples[:1, :1] - np.uint16(1 << self.precision - 1)
        np.subtract(samples[0, 1:], samples[0, :-1], out=found[0, 1:])
        np.subtract(samples[1:, 0], samples[:-1, 0], out=found[1:, 0])
        wide = np.dtype("i2" if self.precision < 16 else "i4")  # enough for any two's difference
        left, above, corner = (
            samples[rows, columns].astype(wide)
            for rows, columns in ((_LATER, _EARLIER), (_EARLIER, _LATER), (_EARLIER, _EARLIER))
        )
        predicted = _predicted(self.predictor, left, above, corner).astype(np.uint16)
        np.subtract(samples[_LATER, _LATER], predicted, out=found[_LATER, _LATER])
        return found


def _predicted(predictor: int, left: Signed, above: Signed, corner: Signed) -> Signed:
    """Table H.1; half of a sum is written so that it needs no more bits than a difference."""
    match predictor:
        case 1:
            return left
        case 2:
            return above
        case 3:
            return corner
        case 4:
            return left + above - corner
        case 5:
            return left + (above - corner >> 1)
        case 6:
            return above + (left - corner >> 1)
        case _:
            return above + (left - above >> 1)


@lru_cache(16)  # a scanner has one table, or one an image
def _bits(code: tuple[int, ...]) -> NDArray[np.int32]:
    """Bits that each difference takes, modulo 65536: its code's, and those that follow."""
    sizes = np.abs(np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32))
    category = np.frexp(sizes)[1]  # its bit length
    lengths = np.array(code, np.int32)[category]
    return np.where(lengths, lengths + category % _WIDEST, _NEVER).astype(np.int32)


def _codes(segment: bytes) -> dict[int, tuple[int, ...]]:
    """Code lengths by category, of each sound table of a DHT segment (B.2.4.2, C)."""
    found = {}
    while len(segment) > _COUNTS:
        counts = segment[1 : 1 + _COUNTS]
        values = segment[1 + _COUNTS :][: sum(counts)]
        by_value = dict(zip(values, np.repeat(range(1, _COUNTS + 1), [*counts]), strict=False))
        taken = sum(count << _COUNTS - length for length, count in enumerate(counts, 1))
        if (
            len(by_value) == sum(counts)
            and max(by_value, default=0) <= _WIDEST
            and taken <= 1 << _COUNTS
        ):
            lengths = (int(by_value.get(value, 0)) for value in range(_WIDEST + 1))
            found[segment[0]] = tuple(lengths)
        segment = segment[1 + _COUNTS + sum(counts) :]
    return found
