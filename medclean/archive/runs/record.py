"""What is written down, and with it what is known: the journal and the state it adds up to."""

import json
from collections.abc import Mapping
from typing import Any

from medclean.archive.runs.journal import Journal, Line, encode
from medclean.archive.runs.state import SeriesState, State, Status
from medclean.errors import Exit
from medclean.files import cannot_write


class Record:
    """Journal and state as one: what is noted is known just as the next start will know it.

    Args:
        journal: Where to write.
        state: What all journals of the folder say so far.
        work: Digest of the settings of this run.
    """

    def __init__(self, journal: Journal, state: State, work: str) -> None:
        self.journal, self.state, self.work = journal, state, work

    def note(self, *lines: Mapping[str, Any], sync: bool = False) -> None:
        """Write lines together; with ``sync`` they outlive a power failure.

        Raises:
            WriteError: They cannot be written; then none of them is.
        """
        texts = [encode(line) for line in lines]
        with cannot_write(self.journal.path):
            self.journal.write(*texts, sync=sync)
        for text in texts:
            self.state.take(json.loads(text), self.journal.path.name)

    def end(
        self, key: str, status: Status, reason: str, exit_: Exit, reasons: Mapping[str, str]
    ) -> None:
        """Note that a series was skipped or failed, and with it its inputs.

        Args:
            key: Of the series.
            status: Which of the two.
            reason: Why.
            exit_: What that means for the exit status.
            reasons: Those of inputs that have their own, by path.
        """
        lines = [
            {"kind": "input", **input_line(path, status, reasons.get(path, reason), series=key)}
            for path in self.series(key).inputs
        ]
        self.note(*lines, {"kind": status, "series": key, "reason": reason, "exit": exit_})

    def series(self, key: str) -> SeriesState:
        """What is known about a series."""
        return self.state.series[key]

    def status(self, key: str) -> Status:
        """What became of a series under these settings."""
        series = self.series(key)
        return series.status if series.work == self.work else "pending"

    def inputs(self, key: str) -> list[Line]:
        """What is said of each input of a series."""
        series = self.series(key)
        if self.status(key) == "pending":
            return [input_line(path, "pending", series=key) for path in series.inputs]
        return [self.state.inputs[path] for path in series.inputs]


def input_line(
    path: str,
    status: Status,
    reason: str | None = None,
    *,
    series: str | None = None,
    output: str | None = None,
    sha256: str | None = None,
    **facts: Any,
) -> Line:
    """What journal and manifest say about an input.

    Args:
        path: Relative to the study.
        status: What became of it.
        reason: Why it was skipped or failed.
        series: Key of the series that it belongs to.
        output: Path of what was made of it, relative to the output folder.
        sha256: Of that.
        facts: What else is worth saying.
    """
    return {
        "path": path,
        "status": status,
        "reason": reason,
        "series": series,
        "output": output,
        "sha256": sha256,
        **facts,
    }
