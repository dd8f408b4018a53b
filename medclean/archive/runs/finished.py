"""What the record of a run says when somebody reads it afterwards, whole or in parts.

Nothing is written, and nothing is believed that is not there: what is torn, empty or missing is
told as a gap. Paths are relative, so that a folder that was moved is read like any other.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import NoneType
from typing import Any

from medclean.archive.runs.folder import RUN_FOLDER
from medclean.archive.runs.journal import Line, Segment, lines, segments
from medclean.archive.runs.shard import Division, Shard
from medclean.archive.runs.state import SeriesState, State, Status
from medclean.errors import DataError

_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "series": (str, NoneType),  # no series for an input that belongs to none
    "facts": dict,
    "settings": dict,
    "machine": (dict, NoneType),
    "record": dict,
    "start": int,
    "path": str,
    "output": (str, NoneType),
    "name": str,
}
_SHARD = re.compile(r"journal-(\d+)-of-(\d+)\.jsonl")


@dataclass
class Finished:
    """All journals of a run folder together.

    Attributes:
        out: The output folder.
        run: The newest run line; empty where there is none.
        state: What the journals add up to.
        gaps: What the record lacks, a sentence each.
        missing: Shards without a journal, and the keys of the series that were theirs.
        seconds: Time that all starts took that came to an end.
        journals: How many there are.
    """

    out: Path
    run: Line = field(default_factory=dict)
    state: State = field(default_factory=State)
    gaps: list[str] = field(default_factory=list)
    missing: dict[Shard, list[str]] = field(default_factory=dict)
    seconds: float = 0.0
    journals: int = 0

    @classmethod
    def read(cls, out: Path, shard: Shard | None = None) -> "Finished":
        """What lies in ``OUT/medclean-run/``.

        Args:
            out: The output folder.
            shard: Read of this one alone.

        Raises:
            DataError: A journal cannot be read.
        """
        found, folder = cls(out), out / RUN_FOLDER
        try:
            found._take_journals(folder, f"journal-{shard}.jsonl" if shard else "journal*.jsonl")
            if not shard:
                found._take_shards(folder)
        except OSError as error:
            raise DataError(f"{folder} cannot be read: {error.strerror}") from None
        return found

    @property
    def command(self) -> str:
        """``"denoise"`` and its like; ``""`` where no line says it."""
        return str(self.run.get("command", ""))

    @property
    def facts(self) -> Mapping[str, Any]:
        """Job, versions, device and model."""
        facts = self.run.get("facts")
        return facts if isinstance(facts, dict) else {}

    @property
    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """What the folder belongs to, by kind."""
        settings = self.run.get("settings")
        return settings if isinstance(settings, dict) else {}

    @cached_property
    def series(self) -> dict[str, SeriesState]:
        """By key, without what is copied as it is."""
        return {k: s for k, s in self.state.series.items() if "copies" not in s.facts}

    def status(self, key: str) -> Status:
        """What became of a series under the newest settings."""
        series = self.state.series[key]
        return series.status if series.work == self.run.get("work") else "pending"

    def _take_journals(self, folder: Path, named: str) -> None:
        paths = sorted(folder.glob(named))
        known = [segment for segment in segments(folder) if segment.path in paths]
        self.journals = len(paths)
        if not paths:
            self.gaps.append("the run left no journal: nothing is known of its series")
        told = {segment.path for segment in known}
        self.gaps += [
            f"{path.name} is empty: that run was killed at its start"
            for path in paths
            if path not in told
        ]
        ended: dict[Path, bool] = {}
        for segment in known:
            self.state.run = {}
            for line in self._lines(segment):
                self._take(line, segment, ended)
        for path, whole in sorted(ended.items()):
            if not whole:
                self.gaps.append(
                    f"{_name(path)} has not come to its end: it was killed, or is still at work"
                )
        if paths and not self.run:
            self.gaps.append("no journal says what was asked: command and settings are not known")

    def _lines(self, segment: Segment) -> Iterator[Line]:
        """The whole lines; damage is a gap."""
        with open(segment.path, "rb") as file:
            file.seek(max(segment.end - 1, 0))
            if file.read(1) != b"\n":
                self.gaps.append(f"the last line of {segment.path.name} is torn and left out")
        yield from lines(segment, self.gaps.append)

    def _take(self, line: Line, segment: Segment, ended: dict[Path, bool]) -> None:
        try:
            _check(line)
            self.state.take(line, segment.path.name)
        except (KeyError, TypeError, ValueError):
            self.gaps.append(f"{segment.path.name}: a line of kind {line['kind']!r} makes no sense")
            return
        if line["kind"] == "run":
            if line.get("start", 0) >= self.run.get("start", 0):
                self.run = line
            ended[segment.path] = False
        elif line["kind"] == "end":
            ended[segment.path] = True
            self.seconds += _between(self.state.run.get("at"), line.get("at"))

    def _take_shards(self, folder: Path) -> None:
        """Which shards of the newest division have no journal."""
        of = Shard(*map(int, s.split("-of-"))).of if (s := self.run.get("shard")) else 0
        numbers = {
            int(found[1])
            for path in folder.glob("journal*.jsonl")
            if (found := _SHARD.fullmatch(path.name)) and int(found[2]) == of
        }
        lacking = [Shard(number, of) for number in range(1, of + 1) if number not in numbers]
        order: list[str] = []
        with suppress(OSError, ValueError, KeyError, TypeError):
            order = json.loads((folder / f"shards-of-{of}.json").read_bytes())["series"]
        for shard in lacking:
            division = Division(shard, order)
            self.missing[shard] = [key for key in order if division.owns(key)]
            count = len(self.missing[shard])
            theirs = f"its {count} series are" if order else "its series are"
            self.gaps.append(
                f"shard {shard.number} of {shard.of} has left no journal: {theirs} not told here"
            )


def is_run(path: Path) -> bool:
    """Whether a folder holds the record of a run."""
    return (path / RUN_FOLDER).is_dir()


def _check(line: Line) -> None:
    """See that a line holds what lines of its kind do; whoever reads on relies on that.

    Raises:
        TypeError: Something in it is of another kind.
    """
    for name, kinds in _KINDS.items():
        if name in line and not isinstance(line[name], kinds):
            raise TypeError(name)
    inputs, kind = line.get("inputs"), line["kind"]
    if kind == "series" and not (
        isinstance(inputs, list) and all(isinstance(path, str) for path in inputs)
    ):
        raise TypeError("inputs")
    if kind != "input" and line.get("series", "") is None:
        raise TypeError("series")


def _name(path: Path) -> str:
    found = _SHARD.fullmatch(path.name)
    return f"shard {int(found[1])} of {found[2]}" if found else "the run"


def _between(begin: object, end: object) -> float:
    """Seconds from one time of the journal to another; 0 where one of them is none."""
    try:
        span = datetime.fromisoformat(str(end)) - datetime.fromisoformat(str(begin))
    except ValueError:
        return 0.0
    return max(span.total_seconds(), 0.0)
