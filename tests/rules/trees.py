"""Derived files in folders, and the sources that they were made from."""

import os
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError

from medclean.archive.dicom.uids import IMPLEMENTATION_CLASS
from rules import check
from rules.hidden import hidden, is_hidden
from rules.pair import (
    ENHANCED,
    SUBTRACTION,
    Broken,
    Pair,
    code_of,
    derivations,
    read,
    sequence,
    text_of,
)

PER_FRAME = "PerFrameFunctionalGroupsSequence"
_MARK = IMPLEMENTATION_CLASS.encode()


def derived_in(root: Path) -> list[Path]:
    """Files whose meta names our Implementation Class UID; what is staged is not final."""
    return [path for path in files(root) if "medclean-run" not in path.parts and is_ours(path)]


def files(root: Path) -> Iterator[Path]:
    """Regular files below a folder."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path


def is_ours(path: Path) -> bool:
    """Whether a file's meta names our Implementation Class UID."""
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError:
        return False
    return head[128:132] == b"DICM" and _MARK in head


class Sources:
    """Files that something may have been derived from, by SOP Instance UID."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths: defaultdict[str, list[Path]] = defaultdict(list)
        for path in paths:
            status = path.stat()
            for uid in _uids(path, status.st_mtime_ns, status.st_size):
                self._paths[uid].append(path)

    def of(self, derived: "Derived") -> list[Path]:
        """Those that a derived file names as sources; the one with the most alike path first."""
        uids = derived.named[:1] if derived.residual else derived.named  # the other is denoised
        uids = uids or (derived.study,)
        named = {path for uid in uids for path in self._paths[uid]} - {derived.path}
        return sorted(named, key=lambda path: _alike(path, derived.path), reverse=True)


@dataclass(frozen=True)
class Derived:
    """What tells a derived file's place among others.

    Attributes:
        path: Of the file.
        uid: SOP Instance UID.
        named: SOP Instance UIDs of all source images, also those of frames.
        residual: Whether it is what was removed.
        study: Study Instance UID, where it has no place to name sources.
    """

    path: Path
    uid: str
    named: tuple[str, ...]
    residual: bool
    study: str = ""

    @classmethod
    def read(cls, path: Path) -> "Derived":
        data = read(path)
        steps = {id(step): step for frame in derivations(data) for step in frame}.values()
        levels = (data, *steps)
        items = [item for level in levels for item in sequence(level, "SourceImageSequence")]
        placeless = data.get("SOPClassUID") in ENHANCED and PER_FRAME not in data
        codes = [code for level in levels for code in sequence(level, "DerivationCodeSequence")]
        return cls(
            path,
            text_of(data, "SOPInstanceUID"),
            tuple(text_of(item, "ReferencedSOPInstanceUID") for item in items),
            any(code_of(code)[0] == SUBTRACTION for code in codes[-1:]),
            text_of(data, "StudyInstanceUID") if placeless else "",
        )


def report(root: Path, sources: Sources) -> dict[Path, list[Broken] | None]:
    """What each derived file below a folder breaks; None where its source is nowhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, about odd values
        paths = derived_in(root)
        veiled = {path: data for path in paths if is_hidden(data := read(path))}
        found: dict[Path, list[Broken] | None] = {p: list(hidden(d)) for p, d in veiled.items()}
        derived = [Derived.read(path) for path in paths if path not in veiled]
        found |= {one.path: broken_in(one, sources) for one in derived}
        for path, broken in _across(derived, sources):
            found[path] = [*(found[path] or ()), broken]
    return found


def broken_in(derived: Derived, sources: Sources) -> list[Broken] | None:
    """What a derived file breaks; None where no source is there.

    Of several files with its source's UID, and of the slices that it was computed from, the one
    that explains it best is its source.
    """
    if not derived.named and not derived.study:
        return [Broken("source image", "none is named")]
    found: list[Broken] | None = None
    for source in sources.of(derived):
        try:
            broken = check(Pair.read(source, derived.path))
        except (InvalidDicomError, EOFError):
            continue  # has been damaged since
        if not broken:
            return broken
        found = broken if found is None or len(broken) < len(found) else found
    return found


def _across(derived: list[Derived], sources: Sources) -> Iterator[tuple[Path, Broken]]:
    """What only shows where several are seen: UIDs of two images, residuals that do not add up."""
    first: dict[str, Derived] = {}
    for one in derived:
        other = first.setdefault(one.uid, one)
        if other is not one and not _equal(one.path, other.path):
            yield one.path, Broken("new UIDs", "another image has the same SOPInstanceUID")
    for one in derived:
        images = [first[uid] for uid in one.named if one.residual and uid in first]
        sums = [_adds_up(one, image, path) for image in images for path in sources.of(image)]
        if sums and not any(sums) and None not in sums:
            yield one.path, Broken("residual", "stored denoised + residual is not stored source")


def _adds_up(residual: Derived, denoised: Derived, source: Path) -> bool | None:
    """Whether both make the source; None where pydicom cannot decode that."""
    stated = read(source)
    if "PixelData" not in stated:
        return False
    total = sum(read(one.path).pixel_array.astype(np.int64) for one in (residual, denoised))
    try:
        stored = stated.pixel_array
    except (RuntimeError, ValueError, NotImplementedError):
        return None
    return np.array_equal(total, stored)


def _equal(path: Path, other: Path) -> bool:
    """Whether two files are the same image, perhaps in another encoding."""
    if path.read_bytes() == other.read_bytes():
        return True
    return np.array_equal(read(path).pixel_array, read(other).pixel_array)


@cache
def _uids(path: Path, changed: int, size: int) -> frozenset[str]:
    """What a file may be named by, as long as it does not change; nothing if it is no DICOM."""
    tags = ["SOPInstanceUID", "StudyInstanceUID"]
    try:
        data = pydicom.dcmread(path, force=True, specific_tags=tags)
    except Exception:  # whatever pydicom raises of what is no DICOM file, or damaged
        return frozenset()
    meta = text_of(data.file_meta, "MediaStorageSOPInstanceUID")
    return frozenset({meta, *(text_of(data, tag) for tag in tags)} - {""})


def _alike(path: Path, other: Path) -> tuple[int, int]:
    """How many parts of two paths are the same, from the end and from the beginning."""
    tail = sum(1 for _ in _same(path.parts[::-1], other.parts[::-1]))
    return tail, sum(1 for _ in _same(path.parts, other.parts))


def _same(one: Iterable[str], other: Iterable[str]) -> Iterator[str]:
    for part, its in zip(one, other, strict=False):
        if part != its:
            return
        yield part
