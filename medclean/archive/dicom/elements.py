"""A data set as spans of bytes: what is not changed is copied as it stands, private or not.

Only the top level is scanned; a sequence is looked into when its items are asked for. A change
names an element and its new value, the VR comes from the dictionary. PS3.5 section 7.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from mmap import mmap
from struct import Struct
from typing import NamedTuple, TypeAlias

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

from medclean.archive.limits import limits
from medclean.errors import DataError

Key: TypeAlias = str | int  # keyword, or tag as 0x00100010
Buffer: TypeAlias = bytes | memoryview
Value: TypeAlias = "str | int | bytes | list[Item] | tuple[str, str | int | bytes] | Encoded"
Item: TypeAlias = "bytes | Mapping[str, Value]"
Changes: TypeAlias = "dict[Key, Value | None]"
"""New values by element; None removes one.

A value is text (ASCII; what was read as Latin-1 goes back), an integer, raw bytes, or the items of
a sequence: each its values by keyword, or the encoded content of an existing item. A pair states
the VR where the dictionary leaves it open.
"""


@dataclass(frozen=True)
class Encoded:
    """A whole element as it shall stand in the file, in parts that are never joined."""

    parts: tuple[Buffer, ...]


VRS = frozenset(vr.value for vr in VR if len(vr.value) == 2)
UNDEFINED = 0xFFFFFFFF
SIZES = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "UV": 8, "SV": 8}
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_TAG = {order: Struct(f"{order}HHL") for order in "<>"}  # implicit VR, and items of any encoding
_SHORT = {order: Struct(f"{order}HH2sH") for order in "<>"}
_LENGTH = {order: Struct(f"{order}L") for order in "<>"}
_SHORT_VRS = {vr.encode(): vr for vr in VRS - EXPLICIT_VR_LENGTH_32}


class Span(NamedTuple):
    """Where an element lies."""

    vr: str  # as written; "" where the element is encoded with implicit VR
    start: int  # its first byte
    value: int  # first byte of its value
    stop: int  # first byte behind its value
    end: int  # first byte behind it: ``stop``, or 8 more where a delimiter closes it


@dataclass(frozen=True)
class Elements:
    """A data set, or an item of a sequence.

    Attributes:
        data: The bytes it lies in.
        start: Its first byte in ``data``.
        end: First byte behind it.
        explicit: Whether VRs are written.
        order: ``"<"`` little endian, ``">"`` big endian.
        depth: Sequences that it lies in.
    """

    data: bytes | mmap
    start: int
    end: int
    explicit: bool = True
    order: str = "<"
    depth: int = 0

    @cached_property
    def spans(self) -> dict[int, Span]:
        """Its elements by tag; of two with the same tag the latter.

        Raises:
            DataError: A length or a delimiter does not fit the bytes.
        """
        return self._scan(())[0]

    def __contains__(self, key: Key) -> bool:
        return tag_of(key) in self.spans

    def value(self, key: Key) -> bytes:
        """The raw value of an element, ``b""`` where there is none."""
        span = self.spans.get(tag_of(key))
        return self.data[span.value : span.stop] if span else b""

    def text(self, key: Key) -> str:
        """A value of ASCII, without its padding; other bytes as Latin-1."""
        return self.value(key).decode("latin-1").strip(" \0")

    def number(self, key: Key, absent: int = 0) -> int:
        """An unsigned binary integer such as Rows, little endian."""
        return int.from_bytes(self.value(key), "little") or absent

    def private(self, group: int, creator: str, number: int) -> int | None:
        """The tag of a private element, wherever its creator has put its block (PS3.5 7.8)."""
        for block in range(0x10, 0x20):
            if self.text(group << 16 | block) == creator:
                return group << 16 | block << 8 | number
        return None

    def items(self, key: Key) -> list["Elements"]:
        """The items of a sequence; none where it is absent. DataError where it is no sequence."""
        span = self.spans.get(tag_of(key))
        return self.items_of(span) if span else []

    def before(self, tag: int) -> "Elements":
        """Its leading elements, up to the first that has this tag or a greater one."""
        return self.until(range(tag, 1 << 32))

    def until(self, tags: Container[int]) -> "Elements":
        """Its leading elements, up to the first that has one of these tags."""
        spans, at = self._scan(tags)
        begin = replace(self, end=at)
        vars(begin)["spans"] = spans  # cached
        return begin

    def items_of(self, span: Span) -> list["Elements"]:
        """The items of the sequence in a span. UN holds implicit VR (PS3.5 6.2.2, note 2)."""
        explicit = self.explicit and span.vr not in ("", "UN")
        items, at = [], span.value
        while at + 8 <= span.stop:
            start, stop, after = self._item(at, span.stop, explicit)
            items.append(self._inner(start, stop, explicit))
            at = after
        return items

    def patched(self, changes: Changes) -> bytes:
        """The data set with some elements replaced, added or removed, in order of their tags."""
        return b"".join(self.patches(changes))

    def patches(self, changes: Changes) -> list[Buffer]:
        """The same in parts: what stays together is one, and no part is copied."""
        new = {tag_of(key): value for key, value in changes.items()}
        spans, data, parts = self.spans, memoryview(self.data), list[Buffer]()
        start = stop = 0  # of what is kept and not yet among the parts
        for tag in sorted(spans.keys() | new.keys()):
            if tag not in new:
                if spans[tag].start != stop:
                    parts.append(data[start:stop])
                    start = spans[tag].start
                stop = spans[tag].end
            elif (value := new[tag]) is not None:
                parts.append(data[start:stop])
                start = stop
                parts += _parts(tag, value, explicit=self.explicit)
        return [*filter(len, parts), data[start:stop]]

    def _scan(self, stop: Container[int]) -> tuple[dict[int, Span], int]:
        """Its elements up to the first that has one of these tags, and where that begins."""
        data, at, end = self.data, self.start, self.end
        unpack, short = _SHORT[self.order].unpack_from, _SHORT_VRS if self.explicit else {}
        spans, new = dict[int, Span](), tuple.__new__  # half the time of Span()
        while at + 8 <= end:  # fewer bytes are no element
            group, number, letters, length = unpack(data, at)
            tag = group << 16 | number
            if tag in stop:
                break
            vr, behind = short.get(letters), at + 8 + length
            if vr and behind <= end and group != 0xFFFE:  # as most are
                spans[tag] = new(Span, (vr, at, at + 8, behind, behind))
                at = behind
            else:
                spans[tag] = self._span(at)
                at = spans[tag].end
        return spans, at

    def head(self, at: int) -> tuple[int, str, int, int]:
        """Tag, VR, first byte of the value and length of the element that begins at a byte."""
        group, number, letters, length = _SHORT[self.order].unpack_from(self.data, at)
        vr, value = "", at + 8
        # Readers take other bytes than two letters as an element of implicit VR, and so do we.
        if self.explicit and letters.isalpha() and letters.isupper() and group != 0xFFFE:
            vr = letters.decode("ascii")
            if vr in EXPLICIT_VR_LENGTH_32:
                if value + 4 > self.end:
                    raise _broken("the last element has no length")
                (length,) = _LENGTH[self.order].unpack_from(self.data, value)
                value += 4
        else:
            (length,) = _LENGTH[self.order].unpack_from(self.data, at + 4)
        return group << 16 | number, vr, value, length

    def _span(self, at: int) -> Span:
        tag, vr, value, length = self.head(at)
        if length == UNDEFINED:
            explicit = self.explicit and vr not in ("", "UN")
            stop = self._delimiter(value, explicit)
            end = stop + 8
        else:
            stop = end = value + length
        if end > self.end:
            # Between elements every number is a piece of some value; only a known tag is told.
            raise _broken(f"{keyword_for_tag(tag) or 'an element'} goes beyond it")
        return Span(vr, at, value, stop, end)

    def _delimiter(self, at: int, explicit: bool) -> int:
        """Where the sequence delimiter stands that belongs to the items from a byte on."""
        while at + 8 <= self.end:
            if self._tag(at) == _SEQUENCE_END:
                return at
            _, _, at = self._item(at, self.end, explicit)
        raise _broken("a sequence has no end")

    def _item(self, at: int, end: int, explicit: bool) -> tuple[int, int, int]:
        """First byte of an item's content, the first behind that, and the first behind the item."""
        group, number, length = _TAG[self.order].unpack_from(self.data, at)
        if group << 16 | number != _ITEM:
            raise _broken("something else where an item of a sequence should begin")
        start = at + 8
        if length != UNDEFINED:
            if start + length > end:
                raise _broken("an item goes beyond its sequence")
            return start, start + length, start + length
        inner, at = self._inner(start, end, explicit), start
        while at + 8 <= end:
            if inner._tag(at) == _ITEM_END:
                return start, at, at + 8
            at = inner._span(at).end
        raise _broken("an item has no end")

    def _inner(self, start: int, end: int, explicit: bool) -> "Elements":
        """An item of a sequence here."""
        if self.depth >= limits().nesting:
            raise _broken(f"sequences are nested too deep ({limits().passed('nesting')})")
        return Elements(self.data, start, end, explicit, self.order, self.depth + 1)

    def _tag(self, at: int) -> int:
        group, number, _ = _TAG[self.order].unpack_from(self.data, at)
        return group << 16 | number


@cache
def tag_of(key: Key) -> int:
    """The tag that a keyword stands for, as 0x00100010."""
    tag = tag_for_keyword(key) if isinstance(key, str) else key
    if tag is None:
        raise KeyError(key)
    return tag


_vr_of = cache(dictionary_VR)


def _parts(tag: int, value: Value, *, explicit: bool) -> tuple[Buffer, ...]:
    return value.parts if isinstance(value, Encoded) else (element(tag, value, explicit=explicit),)


def element(key: Key, value: Value, *, explicit: bool) -> bytes:
    """An encoded element, little endian; its value is padded to even length."""
    if isinstance(value, Encoded):
        return b"".join(value.parts)
    tag = tag_of(key)
    vr, plain = value if isinstance(value, tuple) else (_vr_of(tag), value)
    match plain:
        case list():
            body = b"".join(item(part, explicit=explicit) for part in plain)
        case int():
            body = plain.to_bytes(SIZES[vr], "little", signed=vr[0] == "S")
        case str():
            body = plain.encode("latin-1", "replace")
        case _:
            body = plain
    if len(body) % 2:
        body += b"\0" if vr == "UI" or vr[0] == "O" else b" "
    return header(tag, vr, len(body), explicit=explicit) + body


def item(content: Item, *, explicit: bool) -> bytes:
    """An encoded item of a sequence, with its length stated."""
    if not isinstance(content, bytes):
        parts = {tag_of(key): value for key, value in content.items()}
        content = b"".join(element(tag, parts[tag], explicit=explicit) for tag in sorted(parts))
    return header(_ITEM, "", len(content), explicit=False) + content


def header(tag: int, vr: str, length: int, *, explicit: bool) -> bytes:
    """Tag, VR and length of an element, little endian. DataError where it is too long."""
    group, number = tag >> 16, tag & 0xFFFF
    if not explicit:
        return _TAG["<"].pack(group, number, length)
    if vr in EXPLICIT_VR_LENGTH_32:
        return _SHORT["<"].pack(group, number, vr.encode(), 0) + _LENGTH["<"].pack(length)
    if length > 0xFFFF:
        raise DataError(f"({group:04X},{number:04X}) has {length} bytes, expected at most 65535")
    return _SHORT["<"].pack(group, number, vr.encode(), length)


def _broken(why: str) -> DataError:
    return DataError(f"the data set cannot be taken apart: {why}; was the file cut off?")
