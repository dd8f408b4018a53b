"""A derived file beside its source, read by pydicom alone: the checker trusts none of our code."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import (
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
)

LEGACY = {
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
}
ENHANCED = {EnhancedCTImageStorage, EnhancedMRImageStorage, EnhancedPETImageStorage, *LEGACY}
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}  # bytes
SIMULATING = ("add-noise ", "undersample ")  # commands
SUBTRACTION = "113062"  # DCM: what makes an object a residual


class Broken(NamedTuple):
    """A rule that a derived file breaks. No value of an element stands in it."""

    rule: str
    what: str


class Change(NamedTuple):
    """A difference between two data sets: tags from the top level down, and of what kind."""

    path: tuple[int, ...]
    kind: str  # "added", "removed" or "changed"

    @property
    def names(self) -> list[str]:
        """Keywords; ``(gggg,eeee)`` of what has none, such as private elements."""
        tags = ((keyword_for_tag(tag), tag) for tag in self.path)
        return [name or f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for name, tag in tags]

    def __str__(self) -> str:
        return f"{'/'.join(self.names)} is {self.kind}"


@dataclass(frozen=True)
class Pair:
    """A derived object and what it was derived from.

    Attributes:
        source: As pydicom reads it.
        derived: Likewise.
        head: First bytes of the derived file: preamble and file meta.
        content: The source file, whole.
        raw_source: Bytes of its values at the top level by keyword, before pydicom converts them.
        raw_derived: Likewise.
        changes: Where the two differ.
    """

    source: FileDataset
    derived: FileDataset
    head: bytes
    content: bytes
    raw_source: dict[str, bytes]
    raw_derived: dict[str, bytes]
    changes: tuple[Change, ...]

    @classmethod
    def read(cls, source: Path, derived: Path) -> "Pair":
        with derived.open("rb") as file:
            head = file.read(1024)
        before, after = read(source), read(derived)
        raw = (raw_values(before), raw_values(after))
        found = tuple(dict.fromkeys(changes(before, after)))
        return cls(before, after, head, source.read_bytes(), *raw, found)

    @property
    def touched(self) -> set[int]:
        """Tags at the top level below which something differs."""
        return {change.path[0] for change in self.changes}

    @property
    def sop_class(self) -> str:
        return str(self.derived.get("SOPClassUID", ""))

    @property
    def enhanced(self) -> bool:
        return self.sop_class in ENHANCED

    @property
    def steps(self) -> bool:
        """Whether it can say what was done: enhanced objects without groups that fit cannot."""
        groups = sequence(self.derived, "PerFrameFunctionalGroupsSequence")
        return not self.enhanced or len(groups) == int(self.derived.get("NumberOfFrames") or 1)

    @cached_property
    def codes(self) -> list[tuple[str, str, str]]:
        """Our own derivation codes: what the derived object has beyond its source."""
        if self.enhanced:
            before = max(map(len, derivations(self.source)), default=0)
            ours = (steps[before:] for steps in derivations(self.derived))
            codes = (
                [code for step in steps for code in sequence(step, "DerivationCodeSequence")]
                for steps in ours
            )
            items = max(codes, key=len, default=[])  # frames that were passed have fewer
        else:
            before = len(sequence(self.source, "DerivationCodeSequence"))
            items = sequence(self.derived, "DerivationCodeSequence")[before:]
        return [code_of(item) for item in items]

    @property
    def residual(self) -> bool:
        return any(value == SUBTRACTION for value, _, _ in self.codes)

    @property
    def simulated(self) -> bool:
        """Whether it was made to look worse, by what our equipment says of the command."""
        ours = sequence(self.derived, "ContributingEquipmentSequence")[-1:]
        return any(text_of(item, "ManufacturerModelName").startswith(SIMULATING) for item in ours)

    @property
    def stamped(self) -> bool:
        """Whether it carries the time of its making, as with ``--stamp``."""
        ours = sequence(self.derived, "ContributingEquipmentSequence")[-1:]
        return any("ContributionDateTime" in item for item in ours)


def read(path: Path) -> FileDataset:
    """A data set; also one without preamble."""
    return pydicom.dcmread(path, force=True)


def sequence(data: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none where it is absent, empty or no sequence."""
    value = value_of(data, keyword)
    return list(value) if isinstance(value, pydicom.Sequence) else []


def value_of(data: Dataset, key: str | int) -> object:
    """A value as pydicom converts it; None where it cannot, or where there is none."""
    if key not in data:
        return None
    try:
        return data[key].value
    except Exception:  # a dozen types, for odd values of real files
        return None


def raw_values(data: Dataset) -> dict[str, bytes]:
    """The bytes of values as they stand in the file: of a data set just read."""
    items = ((keyword_for_tag(tag), item) for tag, item in data.items())
    return {
        key: (item.value or b"").strip(b" \0")
        for key, item in items
        if key and isinstance(item, RawDataElement)
    }


def text_of(data: Dataset, key: str | int) -> str:
    """A value as text, without its padding; several with backslashes."""
    value = value_of(data, key)
    if value is None:
        return ""
    parts = value if isinstance(value, list | pydicom.multival.MultiValue) else [value]
    return "\\".join(str(part) for part in parts).strip(" \0")


def code_of(item: Dataset) -> tuple[str, str, str]:
    """Value, scheme and meaning of a coded term."""
    keys = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
    value, scheme, meaning = (text_of(item, key) for key in keys)
    return value, scheme, meaning


def derivations(data: Dataset) -> list[list[Dataset]]:
    """The items of Derivation Image of each frame."""
    return frame_items(data, "DerivationImageSequence")


def frame_items(data: Dataset, keyword: str) -> list[list[Dataset]]:
    """The items of a macro for each frame, from the shared groups or the frame's own."""
    groups = sequence(data, "SharedFunctionalGroupsSequence")
    shared = [item for group in groups for item in sequence(group, keyword)]
    frames = sequence(data, "PerFrameFunctionalGroupsSequence")
    return [sequence(frame, keyword) or shared for frame in frames]


def changes(source: Dataset, derived: Dataset, path: tuple[int, ...] = ()) -> Iterator[Change]:
    """Where two data sets differ, byte by byte as far as they are encoded alike."""
    for tag in sorted({*source.keys(), *derived.keys()}):
        here = (*path, tag)
        if tag not in derived:
            yield Change(here, "removed")
        elif tag not in source:
            yield Change(here, "added")
        else:
            yield from _compared(source, derived, tag, here)


def _compared(
    source: Dataset, derived: Dataset, tag: int, here: tuple[int, ...]
) -> Iterator[Change]:
    before, after = source.get_item(tag), derived.get_item(tag)
    raw = isinstance(before, RawDataElement) and isinstance(after, RawDataElement)
    if raw and before.is_little_endian == after.is_little_endian:
        if (before.value or b"") == (after.value or b""):
            return
        if not _is_sequence(before) and not _is_sequence(after):
            yield Change(here, "changed")
            return
    if _is_sequence(before) or _is_sequence(after):
        ours, theirs = value_of(source, tag), value_of(derived, tag)
        if not isinstance(ours, pydicom.Sequence) or not isinstance(theirs, pydicom.Sequence):
            if ours != theirs:
                yield Change(here, "changed")
        elif len(ours) != len(theirs):
            yield Change(here, "changed")
        else:
            for one, other in zip(ours, theirs, strict=True):
                yield from changes(one, other, here)
    elif not _same(value_of(source, tag), value_of(derived, tag), source[tag].VR):
        yield Change(here, "changed")


def _same(value: object, other: object, vr: str) -> bool:
    """Whether two values are the same in different byte orders, which pydicom leaves in words."""
    width = _WORDS.get(vr)
    if width is None or not isinstance(value, bytes) or len(value) % width:
        return value == other
    return np.frombuffer(value, f"u{width}").byteswap().tobytes() == other


def _is_sequence(element: object) -> bool:
    vr, tag = element.VR, element.tag
    if vr is None and dictionary_has_tag(tag):
        vr = dictionary_VR(tag)
    return vr == "SQ"
