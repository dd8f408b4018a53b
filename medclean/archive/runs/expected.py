"""What a run is about, and what that means for the names in the output folder and the tally."""

from collections.abc import Iterable, Mapping

from medclean.archive.runs.record import Record
from medclean.archive.runs.tally import Outcome
from medclean.errors import Exit


class Expected:
    """Series, files that are copied as they are, and files of which nothing is made.

    Args:
        record: Of the run.
        overwrite: As for ``open_run``.

    Attributes:
        series: By key.
        copies: Keys of folders whose files are copied, or of series that are.
        loose: Paths of inputs that belong to no series that is denoised.
    """

    def __init__(self, record: Record, *, overwrite: bool) -> None:
        self._record, self._overwrite = record, overwrite
        self.series: dict[str, None] = {}
        self.copies: dict[str, None] = {}
        self.loose: dict[str, None] = {}

    def copy(self, key: str, inputs: Iterable[str], *, sources: str) -> None:
        """Files are copied together: like a series, but one that counts as none.

        Args:
            key: As of a series.
            inputs: Their paths, which are those of the copies too; each stays a skipped input.
            sources: Fingerprint of them, and of all that is said about them.
        """
        paths = list(inputs)
        self.note(key, paths, sources, {"copies": True})
        self.copies[key] = None
        self.loose |= dict.fromkeys(paths)

    def note(self, key: str, inputs: list[str], sources: str, facts: Mapping[str, object]) -> None:
        """Write down what a key stands for, unless the record says just that."""
        known = self._record.state.series.get(key)
        if not known or (known.inputs, known.sources, known.facts) != (inputs, sources, facts):
            line = {"series": key, "inputs": inputs, "sources": sources, "facts": facts}
            self._record.note({"kind": "series", **line})

    def lacking(self, key: str) -> list[str]:
        """The inputs of which no copy was made though others were."""
        series = self._record.series(key)
        return [path for path in series.inputs if path not in series.files]

    def is_ours(self, key: str, path: str) -> bool:
        """Whether a commit named this path: for this key, or for one that needs it no more.

        A series that is gone from the study keeps its outputs, which may be all there is of it,
        unless the user said ``overwrite``; a copy is only that.
        """
        owner = self._record.state.ours.get(path)
        if owner is None or owner == key:
            return owner == key
        if owner in self.copies:  # it may have let go of single files
            return path not in self._record.series(owner).inputs
        return owner not in self.series and (self._overwrite or not self.is_derived(path))

    def is_derived(self, path: str) -> bool:
        """Whether an output of a series has this path, perhaps from an earlier start."""
        owner = self._record.state.ours.get(path)
        return owner is not None and "copies" not in self._record.series(owner).facts

    def crossed(self, key: str) -> str | None:
        """Why a limit kept a series from being written at an earlier start; None if none did.

        That was under the same settings, limits among them, and of the same sources;
        ``overwrite`` forgets it.
        """
        series = self._record.series(key)
        return series.crossed if self._record.status(key) == "failed" else None

    @property
    def copied(self) -> int:
        """Files that were copied."""
        done = [key for key in self.copies if self._record.status(key) == "done"]
        return sum(len(self._record.series(key).files) for key in done)

    @property
    def outcomes(self) -> list[Outcome]:
        """One a series; what else failed counts as one."""
        record = self._record
        series = {key: record.series(key) for key in self.series}
        outcomes = [Outcome(record.status(k), s.exit, len(s.files)) for k, s in series.items()]
        together = {path for key in self.copies for path in record.series(key).inputs}
        others = [record.state.inputs[path]["status"] for path in self.loose.keys() - together]
        others += [record.status(key) for key in self.copies]
        return [*outcomes, *(Outcome("failed", Exit.BAD_DATA) for s in others if s == "failed")]
