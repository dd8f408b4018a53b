"""What the journals of a folder add up to: each line changes it, the last word counts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from medclean.archive.runs.journal import Line, lines, segments
from medclean.errors import Exit

Status = Literal["done", "skipped", "failed", "pending"]


@dataclass
class SeriesState:
    """What is known about a series.

    Attributes:
        inputs: Paths of its files, relative to the study.
        sources: Fingerprint of them.
        facts: What else was said when it was found.
        status: What became of it, under the settings ``work``.
        reason: Why it was skipped or failed.
        exit: What that means for the exit status.
        work: Digest of the settings that it was last begun or ended with.
        machine: What it is computed on.
        rung: Step of the out-of-memory ladder where it begins.
        staged: SHA-256 by path of the outputs that lie whole in the staging folder.
        told: What was said of each of them, by path.
        commit: The last commit line, until all its files have their names.
        files: SHA-256 by path of the outputs that have their names.
        record: What was said of the result, also of one that failed.
    """

    inputs: list[str] = field(default_factory=list)
    sources: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    status: Status = "pending"
    reason: str | None = None
    exit: Exit = Exit.DONE
    work: str = ""
    machine: Any = None
    rung: Any = None
    staged: dict[str, str] = field(default_factory=dict)
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    commit: Line | None = None
    files: dict[str, str] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def crossed(self) -> str | None:
        """Why a limit kept it from being written, if one did: computed again, it would again."""
        return self.reason if (self.status, self.exit) == ("failed", Exit.GATE_CROSSED) else None


class State:
    """What is known about all that was ever asked of one output folder.

    Attributes:
        run: The run line that the lines now taken stand under; the newest, once all are read.
        series: By key.
        inputs: The last line about each input, by path.
        ours: Key of the series that a commit last gave a path to, by path.
        pinned: What must not change between starts, by name.
        warnings: Damage that was found while reading.
    """

    def __init__(self) -> None:
        self.run: Line = {}
        self.series: dict[str, SeriesState] = {}
        self.inputs: dict[str, Line] = {}
        self.ours: dict[str, str] = {}
        self.pinned: dict[str, Any] = {}
        self.warnings: list[str] = []

    @classmethod
    def read(cls, folder: Path) -> "State":
        """What all journals of a run folder say.

        Raises:
            OSError: One of them cannot be read.
        """
        state = cls()
        for segment in segments(folder):
            state.run = {}
            for line in lines(segment, state.warnings.append):
                state.take(line, segment.path.name)
        return state

    def redo(self) -> None:
        """Take nothing that was done before for done."""
        for series in self.series.values():
            series.status = "pending"

    def take(self, line: Line, journal: str) -> None:
        """Take note of one more line of a journal."""
        match line:
            case {"kind": "run"}:
                self.run = line
            case {"kind": "pin", "name": name, "value": value}:
                self.pinned[name] = value
            case {"kind": "input", "path": path}:
                self.inputs[path] = {name: line[name] for name in line if name != "kind"}
            case {"kind": kind, "series": key} if kind != "event":
                series = self.series.setdefault(key, SeriesState())
                self._take_series(series, line, journal)

    def _take_series(self, series: SeriesState, line: Line, journal: str) -> None:
        work = self.run.get("work", "")
        match line["kind"]:
            case "series":
                if (line["inputs"], line["sources"]) != (series.inputs, series.sources):
                    series.staged, series.status = {}, "pending"
                series.inputs, series.sources = line["inputs"], line["sources"]
                series.facts = line["facts"]
            case "begun":
                if (work, line["machine"]) != (series.work, series.machine):
                    series.staged = {}
                series.work, series.machine = work, line["machine"]
                series.status, series.record = "pending", {}
            case "staged":
                series.staged[line["path"]] = line["sha256"]
                series.told[line["path"]] = line["facts"]
            case "rung":
                series.rung, series.staged = line["rung"], {}
            case "forgotten":
                series.staged, series.record = {}, line.get("record", {})
            case "altered":
                series.status, series.record = "pending", {}
            case "commit":
                series.commit = {**line, "journal": journal}
                self.ours |= {final: line["series"] for _, final, _ in line["files"]}
            case "done" if series.commit:
                self._finish(series, series.commit)
            case "undone":
                series.commit, series.status, series.files = None, "pending", {}
            case "withdrawn":
                self.ours = {path: of for path, of in self.ours.items() if of != line["series"]}
                series.files = {}
            case "skipped" | "failed" as status:
                series.status, series.work = status, work
                series.reason, series.exit = line["reason"], Exit(line["exit"])

    def _finish(self, series: SeriesState, commit: Line) -> None:
        for path, _ in commit["remove"]:
            if self.ours.get(path) == commit["series"]:  # another may have made it its own since
                del self.ours[path]
        series.files = {final: sha256 for _, final, sha256 in commit["files"]}
        series.record, series.staged, series.commit = commit["record"], {}, None
        series.status, series.reason = "done", None
        series.work, series.exit = commit["work"], Exit(commit["exit"])
