"""The record of what happened: JSON Lines that are only ever appended to, by one process."""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from medclean.files import create

Line = dict[str, Any]

_RUN = b'{"kind":"run"'
_BLOCK = 1 << 16


class Journal:
    """A journal to append to; a last line that a killed process left torn is cut off.

    Args:
        path: Made if it does not exist.

    Raises:
        OSError: It cannot be opened, or (in any method) written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        create(path, b"")
        self._file = os.open(path, os.O_RDWR | os.O_APPEND)
        os.ftruncate(self._file, _end_of_last_line(self._file))

    def write(self, *texts: bytes, sync: bool = False) -> None:
        """Append lines made by ``encode``: all of them, or (where the disk is full) none.

        Args:
            texts: They go to the disk in one write.
            sync: Return when they, and all lines before, outlive a power failure.
        """
        before = os.fstat(self._file).st_size
        left = memoryview(b"".join(texts))
        try:
            while left:
                left = left[os.write(self._file, left) :]
            if sync:
                os.fsync(self._file)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(self._file, before)
            raise

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def plain(value: Any) -> Any:
    """A value as it is once it was written and read again: a tuple is a list."""
    return json.loads(encode({"value": value}))["value"]


def now() -> str:
    """The time, for people: nothing is decided by it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Segment(NamedTuple):
    """What one start of a run wrote: bytes ``begin`` to ``end`` of a journal."""

    start: int
    path: Path
    begin: int
    end: int


def encode(line: Mapping[str, Any]) -> bytes:
    """A line of a journal, in ASCII: any path is told apart, also one that is not UTF-8."""
    try:
        text = json.dumps(line, separators=(",", ":"), default=_known, allow_nan=False)
    except ValueError:  # no JSON for these
        text = json.dumps(_finite(line), separators=(",", ":"), default=_known)
    return text.encode("ascii") + b"\n"


def segments(folder: Path) -> list[Segment]:
    """The starts that the journals of a folder tell of, in order.

    They are numbered, so that no clock decides which line is the last: each start takes the number
    after the highest there is. Shards that begin together share one, and no series.
    """
    found: list[Segment] = []
    for path in folder.glob("journal*.jsonl"):
        marks, at = [(0, 0)], 0
        with open(path, "rb") as file:
            for raw in file:
                if raw.startswith(_RUN) and raw.endswith(b"\n"):
                    with suppress(ValueError, KeyError, TypeError):
                        marks.append((int(json.loads(raw)["start"]), at))
                at += len(raw)
        marks.append((0, at))
        found += (Segment(start, path, begin, end) for (start, begin), (_, end) in pairwise(marks))
    return sorted(segment for segment in found if segment.begin < segment.end)


def lines(segment: Segment, warn: Callable[[str], None]) -> Iterator[Line]:
    """The lines of a segment; a torn one is left out, with a warning if others follow."""
    with open(segment.path, "rb") as file:
        file.seek(segment.begin)
        while file.tell() < segment.end:
            at, raw = file.tell(), file.readline()
            if not raw.endswith(b"\n"):
                return  # torn by a kill, or another shard is just writing it
            try:
                line = json.loads(raw)
                line["kind"]
            except (ValueError, KeyError, TypeError):
                warn(f"{segment.path.name}: the line at byte {at} is damaged and left out")
            else:
                yield line


def _end_of_last_line(file: int) -> int:
    end = os.fstat(file).st_size
    while end:
        begin = max(0, end - _BLOCK)
        newline = os.pread(file, end - begin, begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        end = begin
    return 0


def _known(value: Any) -> Any:
    """What JSON does not know: a number of numpy, else by its text."""
    return value.item() if hasattr(value, "item") else str(value)


def _finite(value: Any) -> Any:
    """The same with null for what is not a finite number."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
