"""A command at work in an output folder: killed at any moment, it goes on where it stood."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from medclean.archive.runs.commit import STAGING, commit, remove_staged, withdraw
from medclean.archive.runs.expected import Expected
from medclean.archive.runs.folder import RUN_FOLDER, refuse_repinned, relative
from medclean.archive.runs.journal import Line, encode, now, plain
from medclean.archive.runs.lock import Lock
from medclean.archive.runs.manifest import manifest_path, write_manifest
from medclean.archive.runs.moves import is_file, refuse_foreign
from medclean.archive.runs.record import Record, input_line
from medclean.archive.runs.secret import label, own_key
from medclean.archive.runs.shard import Division, Shard
from medclean.archive.runs.state import Status
from medclean.archive.runs.tally import Tally, tally
from medclean.errors import Exit, WriteError
from medclean.files import cannot_write, create, make_folder


class Run:
    """Made by ``open_run``, for the main process and its main thread.

    A series goes ``expect``, then ``skip``, or ``done``, or ``begin`` and for each of its outputs
    ``staging`` and ``note_staged``, then ``commit`` or ``fail``. Paths are text with ``/``,
    relative to the output folder (outputs) or the study (inputs). Whatever writes here raises
    WriteError.

    Attributes:
        out: The output folder, as the user wrote it.
        shard: Which part of the job it does; None is all.
        expected: What it is about; what is copied as it is is told there.
        warnings: Damage that was found in the journals.
        tally: What became of the run, once it is finished.
        series: What the manifest says of each series, likewise.
    """

    def __init__(
        self,
        out: Path,
        record: Record,
        lock: Lock,
        *,
        shard: Shard | None,
        overwrite: bool,
        key: bytes | None,
    ) -> None:
        self.out, self.warnings = out, record.state.warnings
        self.tally: Tally | None = None
        self.series: list[Line] = []
        self._record, self._lock, self._overwrite, self._key = record, lock, overwrite, key
        self.shard, self._division, self._total = shard, Division(shard), 0
        self.expected = Expected(record, overwrite=overwrite)
        self._begun: set[str] = set()

    # Which series there are

    def divide(self, keys: Collection[str]) -> None:
        """Deal out the eligible series of the whole job among its shards; see ``owns``."""
        self._total = len(keys)
        if self.shard:
            path = self.out / RUN_FOLDER / f"shards-of-{self.shard.of}.json"
            with cannot_write(path):
                create(path, encode({"series": sorted(keys)}))
                self._division = Division(self.shard, json.loads(path.read_bytes())["series"])

    def owns(self, key: str) -> bool:
        """Whether a series, or by its path a file that belongs to none, is this shard's to do."""
        return self._division.owns(key)

    def expect(self, key: str, inputs: Iterable[str], *, sources: str = "", **facts: Any) -> None:
        """A series that this run is about: pending, unless the record says more.

        Args:
            key: Names the series, alike at every start; fit for a file name.
            inputs: Paths of its files.
            sources: Fingerprint of them: a series with another one is done anew.
            facts: For the manifest: modality, number of frames.
        """
        self.expected.note(key, list(inputs), sources, plain(facts))
        self.expected.series[key] = None

    # One series

    def told_done(self, key: str) -> bool:
        """Whether the record says that a series is done; ``done`` looks at its files too."""
        return self._record.status(key) == "done"

    def done(self, key: str) -> bool:
        """Whether all outputs of a series are in their places, by hash and not by name."""
        if not self.told_done(key):
            return False
        files = self._record.series(key).files
        with cannot_write(self.out):
            whole = all(is_file(self.out / path, sha256) for path, sha256 in files.items())
        if not whole:
            self._record.note({"kind": "altered", "series": key})
        return whole

    def begin(self, key: str, *, machine: Any = None) -> dict[str, str]:
        """Begin a series, or go on with it.

        Args:
            key: Of the series.
            machine: The class of machine, fit for JSON: what was begun on another one is dropped.

        Returns:
            SHA-256 by path of the outputs that lie whole in the staging folder.
        """
        if self._overwrite and key not in self._begun:
            self.forget(key)
        self._begun.add(key)
        self._record.note({"kind": "begun", "series": key, "machine": machine})
        staged, folder = self._record.series(key).staged, self.out / STAGING / key
        with cannot_write(folder):
            whole = {path: sha for path, sha in staged.items() if is_file(folder / path, sha)}
        if not whole:
            remove_staged(self.out, key)
        return whole

    def staging(self, key: str, path: str) -> Path:
        """Where an output is to be written until its series is committed; its folder exists.

        Raises:
            UsageError: The path leads out of the output folder.
        """
        staged = self.out / STAGING / key / relative(path)
        with cannot_write(staged):
            make_folder(staged.parent)
        return staged

    def note_staged(self, key: str, path: str, sha256: str, **facts: Any) -> None:
        """An output lies whole in the staging folder; ``told`` gives the facts to a later start."""
        line = {"kind": "staged", "series": key, "path": path, "sha256": sha256, "facts": facts}
        self._record.note(line)

    def told(self, key: str) -> Mapping[str, Mapping[str, Any]]:
        """What was said, by path, of the outputs that were staged."""
        return self._record.series(key).told

    def refuse_foreign(self, key: str, paths: Iterable[str]) -> None:
        """Nothing, as long as a series may have these outputs: worth asking before the work.

        Raises:
            DataError: Something that is not ours lies there, or the output of another series.
        """
        refuse_foreign(self.out, paths, partial(self.expected.is_ours, key))

    def commit(
        self,
        key: str,
        files: Mapping[str, str],
        record: Mapping[str, Any] | None = None,
        *,
        inputs: Mapping[str, Mapping[str, Any]] | None = None,
        status: Exit = Exit.DONE,
    ) -> None:
        """Give all outputs of a series their final names.

        Args:
            key: Of the series.
            files: SHA-256 by path of its outputs, all staged.
            record: What the manifest says of the series: figures, notes.
            inputs: What it says of an input besides, by path: ``{"a.dcm": {"clamped": 3}}``. An
                input's output is the one of the same path, unless this says otherwise.
            status: What is wrong with the series all the same: PARTIAL where it has gaps,
                GATE_CROSSED where it was kept.

        Raises:
            DataError: Something that is not ours lies under a final name.
        """
        self._lock.check()
        commit(
            self.out,
            self._record,
            key,
            files,
            record or {},
            inputs=inputs or {},
            status=status,
            is_ours=partial(self.expected.is_ours, key),
        )

    def fail(
        self,
        key: str,
        reason: str,
        *,
        status: Exit = Exit.BAD_DATA,
        inputs: Mapping[str, str] | None = None,
    ) -> None:
        """A series could not be done; what is staged stays for the next start.

        Args:
            key: Of the series.
            reason: One line, without any value of a tag.
            status: What it means for the exit status.
            inputs: Reasons of their own, by path.
        """
        if status == Exit.GATE_CROSSED:  # nor may stay what an earlier start wrote
            withdraw(self.out, self._record, key)
        self._record.end(key, "failed", reason, status, inputs or {})

    def skip(self, key: str, reason: str, *, otherwise: Exit = Exit.NOTHING_TO_DO) -> None:
        """A series is not what was asked for; ``otherwise`` counts if nothing is done at all."""
        series = self._record.series(key)
        known = (self._record.status(key), series.reason, series.exit)
        if known != ("skipped", reason, otherwise):
            self._record.end(key, "skipped", reason, otherwise, {})

    def rung(self, key: str) -> Any:
        """The step of the out-of-memory ladder where a series begins; None is the first."""
        return self._record.series(key).rung

    def note_rung(self, key: str, rung: Any) -> None:
        """Begin a series anew on a lower step, fit for JSON, now and at every later start."""
        self._record.note({"kind": "rung", "series": key, "rung": rung})
        remove_staged(self.out, key)

    def forget(self, key: str, record: Mapping[str, Any] | None = None) -> None:
        """Drop what is staged of a series; the manifest keeps ``record`` if it fails."""
        self._record.note({"kind": "forgotten", "series": key, "record": record or {}})
        remove_staged(self.out, key)

    # The run

    def input(self, path: str, status: Status, reason: str | None = None, **facts: Any) -> None:
        """An input of no series (a failed one counts as one); what was done before stays done."""
        line, state = plain(input_line(path, status, reason, **facts)), self._record.state
        known = state.inputs.get(path, {})
        kept = status == "skipped" and known.get("status") == "done" and path in state.ours
        if known != line and not kept:
            self._record.note({"kind": "input", **line})
        self.expected.loose[path] = None

    def event(self, event: str, **facts: Any) -> None:
        """Something worth remembering, for people who read the journal."""
        self._record.note({"kind": "event", "event": event, "at": now(), **facts})

    def pin(self, name: str, value: Any) -> None:
        """A result or form setting that is known only now, such as the weights for a modality.

        Raises:
            UsageError: An earlier start in this folder had another value.
        """
        value, pinned = plain(value), self._record.state.pinned
        if not self._overwrite:
            refuse_repinned(self.out, pinned, name, value)
        if name not in pinned or pinned[name] != value:
            self._record.note({"kind": "pin", "name": name, "value": value}, sync=True)

    @cached_property
    def stamp(self) -> str:
        """The time of processing, UTC: the same for all shards and at every start."""
        path = self.out / RUN_FOLDER / "stamp"
        with cannot_write(path):
            create(path, now().encode())
            return path.read_text(encoding="ascii")

    def label(self, text: str) -> str:
        """How reports name a series or a case: 12 hex digits of a keyed hash."""
        if self._key is None:
            with cannot_write(self.out / RUN_FOLDER / "secret"):
                self._key = own_key(self.out / RUN_FOLDER)
        return label(self._key, text)

    def finish(self, stopped: Exit = Exit.DONE) -> Tally:
        """Count, note the end, write the manifest.

        Args:
            stopped: The status of what ends the run before all is done.
        """
        self._lock.check()
        record, shard = self._record, self.shard
        ended = tally(
            self.expected.outcomes,
            self.out,
            copied=self.expected.copied,
            stopped=stopped,
            shard=shard,
            total=self._total,
        )
        record.note({"kind": "end", "at": now(), **asdict(ended)}, sync=True)
        if ended.exit == Exit.DONE and not shard:
            remove_staged(self.out)  # of series that are no longer there
        path, labels, loose = manifest_path(self.out, shard), self._labels(), self.expected.loose
        self.series = write_manifest(path, record, labels=labels, loose=loose, tally=ended)
        self.tally = ended
        return ended

    def _labels(self) -> dict[str, str | None]:
        try:
            return {key: self.label(key) for key in self.expected.series}
        except WriteError:  # the key is another user's, who began this run
            return dict.fromkeys(self.expected.series)
