"""What the standard demands: elements of type 1 and 2 by IOD (PS3.3 annex A), nested ones too.

The tables are those of the highdicom wheel, which are made from the standard's own text.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, MRImageStorage, PositronEmissionTomographyImageStorage

from rules.pair import Broken, Pair, sequence, text_of

FUNCTIONAL_GROUPS = {("SharedFunctionalGroupsSequence",), ("PerFrameFunctionalGroupsSequence",)}
# Type 1C and 2C: only conditions that a data set alone decides.
CONDITIONS: dict[str, Callable[[Dataset], bool]] = {
    "CodeValue": lambda data: not ("LongCodeValue" in data or "URNCodeValue" in data),
    "CodingSchemeDesignator": lambda data: "CodeValue" in data or "LongCodeValue" in data,
    "PlanarConfiguration": lambda data: text_of(data, "SamplesPerPixel") not in ("", "1"),
    "PixelPaddingValue": lambda data: "PixelPaddingRangeLimit" in data,
    "PixelData": lambda data: True,
    "LossyImageCompressionRatio": lambda data: text_of(data, "LossyImageCompression") == "01",
    "LossyImageCompressionMethod": lambda data: text_of(data, "LossyImageCompression") == "01",
    "PerFrameFunctionalGroupsSequence": lambda data: True,
    "InConcatenationNumber": lambda data: "ConcatenationUID" in data,
    "ConcatenationFrameOffsetNumber": lambda data: "ConcatenationUID" in data,
    "SOPInstanceUIDOfConcatenationSource": lambda data: "ConcatenationUID" in data,
}
_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
VALUES: dict[str, dict[str, tuple[str, ...]]] = {  # C.8.2.1.1, C.8.3.1.1, C.8.9.4.1
    CTImageStorage: {
        "SamplesPerPixel": ("1",),
        "PhotometricInterpretation": _MONOCHROME,
        "BitsAllocated": ("16",),
        "BitsStored": ("12", "13", "14", "15", "16"),
    },
    MRImageStorage: {
        "SamplesPerPixel": ("1",),
        "PhotometricInterpretation": _MONOCHROME,
        "BitsAllocated": ("16",),
    },
    PositronEmissionTomographyImageStorage: {
        "SamplesPerPixel": ("1",),
        "PhotometricInterpretation": ("MONOCHROME2",),
        "BitsAllocated": ("16",),
        "BitsStored": ("16",),
        "HighBit": ("15",),
    },
}


@dataclass
class Level:
    """What is asked of a data set, or of the items of a sequence: types by keyword."""

    types: dict[str, str] = field(default_factory=dict)
    inside: dict[str, "Level"] = field(default_factory=dict)


def standard(pair: Pair) -> Iterator[Broken]:
    """Violations that the source does not have already, compared as sets."""
    before, after = (violations(data, pair.sop_class) for data in (pair.source, pair.derived))
    for what in sorted(after - before):
        yield Broken("standard", what)


def violations(data: Dataset, sop_class: str) -> set[str]:
    """What a data set lacks, and values that its IOD does not know."""
    stated = VALUES.get(sop_class, {}).items()
    wrong = {
        f"{key} has another value than its IOD allows"
        for key, known in stated
        if text_of(data, key) not in known
    }
    high, stored = (int(text_of(data, key) or 0) for key in ("HighBit", "BitsStored"))
    if "HighBit" in data and high != stored - 1:
        wrong.add("HighBit is not one below BitsStored")
    return wrong | set(_lacking(data, level_of(sop_class), ()))


def available() -> bool:
    """Whether the tables are here."""
    return find_spec("highdicom") is not None


@cache
def level_of(sop_class: str) -> Level:
    """What the IOD of a SOP Class asks: of its mandatory modules, and of every sequence inside."""
    top = Level()
    if not available():
        return top
    iod = _table("sop_class_iod_map").get(sop_class)
    for module in _table("iod_module_map").get(iod, ()):
        for row in _table("module_attribute_map").get(module["key"], ()):
            path = row["path"]
            if tuple(path) in FUNCTIONAL_GROUPS or not (path or module["usage"] == "M"):
                continue  # which group a frame needs hangs on conditions; so do other modules
            level = top
            for keyword in path:
                level = level.inside.setdefault(keyword, Level())
            known = level.types.get(row["keyword"], "3")
            level.types[row["keyword"]] = min(known, row["type"])  # the strictest of several
    return top


@cache
def _table(name: str) -> dict:
    package = Path(find_spec("highdicom").origin).parent
    return json.loads((package / "_standard" / f"{name}.json").read_text(encoding="utf-8"))


def _lacking(data: Dataset, level: Level, path: tuple[str, ...]) -> Iterator[str]:
    for keyword, kind in level.types.items():
        holds = CONDITIONS.get(keyword)
        if kind not in ("1", "2") and not (kind in ("1C", "2C") and holds and holds(data)):
            continue
        name = "/".join((*path, keyword))
        if keyword not in data:
            yield f"{name} is missing, type {kind}"
        elif kind[0] == "1" and _is_empty(data, keyword):
            yield f"{name} is empty, type {kind}"
    for keyword, inner in level.inside.items():
        for item in sequence(data, keyword):
            yield from _lacking(item, inner, (*path, keyword))


def _is_empty(data: Dataset, keyword: str) -> bool:
    value = data.get_item(keyword).value
    blank = isinstance(value, bytes | str) and not value.strip()
    return value is None or blank or (isinstance(value, Sequence | MultiValue) and not value)
