"""ASCII put before and behind a text whose bytes are kept, within a number of characters."""

import re
from collections.abc import Iterator

# Escape sequences of PS3.3 C.12.1.1.2, and what they say about the bytes that follow.
_ESCAPE = re.compile(rb"\x1b[\x20-\x2f]+[\x30-\x7e]")
_PAIRS_LOW = (b"\x1b$@", b"\x1b$B", b"\x1b$(D")  # JIS X 0208 and 0212: pairs below 0x80
_PAIRS_HIGH = (b"\x1b$)A", b"\x1b$)C")  # GB 2312 and KS X 1001: pairs above
_ASCII, _ROMAJI = b"\x1b(B", b"\x1b(J"  # they differ in backslash and tilde, which we never write


def framed(text: bytes, *, before: str = "", after: str = "", limit: int, charset: str) -> bytes:
    """A text between two ASCII ones; its own end gives way where all is too long.

    It is never cut inside a character or an escape sequence, and ends in the charset that it began
    with (PS3.5 6.1.2.5.3).

    Args:
        text: Encoded, of one value.
        before: ASCII without backslash or tilde.
        after: Likewise; without its leading blanks and punctuation where nothing stands before it.
        limit: Most characters of the whole.
        charset: Specific Character Set; bytes that contradict it are not believed to be its.
    """
    kept, pairs = b"", False
    room = limit - len(before) - len(after)
    for character, count, state in _characters(text.rstrip(b" \0"), charset):
        room -= count
        if room < 0:
            break
        kept, pairs = kept + character, state
    if pairs:
        kept += _ROMAJI if re.match(r"ISO(_IR| 2022 IR) 13\b", charset) else _ASCII
    body = before.encode("ascii") + kept.rstrip(b" ")
    return body + (after if body else after.lstrip(" ;")).encode("ascii")


def _characters(text: bytes, charset: str) -> Iterator[tuple[bytes, int, bool]]:
    """Each character or escape sequence, what it counts, and whether G0 holds pairs after it."""
    utf8 = _is_utf8(text) and "GB" not in charset
    counts = "ISO_IR 192" in charset or "GB" in charset or b"\x1b" in text
    low = high = False
    at = 0
    while at < len(text):
        byte, width = text[at], 1
        if escape := _ESCAPE.match(text, at):
            width = len(escape[0])
            if escape[0] in _PAIRS_HIGH or escape[0][1:2] in b")-":
                high = escape[0] in _PAIRS_HIGH
            else:
                low = escape[0] in _PAIRS_LOW
        elif (low and byte > 0x20) or (high and byte > 0xA0):
            width = 2
        elif "GB" in charset and byte > 0x80:
            width = 4 if text[at + 1 : at + 2].isdigit() else 2
        elif utf8:
            while at + width < len(text) and text[at + width] & 0xC0 == 0x80:
                width += 1
        character = text[at : at + width]
        yield character, 0 if escape else 1 if counts else width, low
        at += width


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\x1b" not in text
