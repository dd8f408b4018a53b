"""A run starts in an output folder: lock, record, the settings the folder belongs to."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from medclean.archive.runs.commit import STAGING, finish_left
from medclean.archive.runs.folder import RUN_FOLDER, digest
from medclean.archive.runs.journal import Journal, Line, now, plain
from medclean.archive.runs.lock import hold
from medclean.archive.runs.manifest import FORMAT, manifest_path
from medclean.archive.runs.record import Record
from medclean.archive.runs.run import Run
from medclean.archive.runs.secret import read_key
from medclean.archive.runs.shard import Shard
from medclean.archive.runs.state import State
from medclean.errors import Exit, MedcleanError, UsageError
from medclean.files import cannot_write, make_folder, sync_folder

Settings = Mapping[str, Mapping[str, Any]]
NO_DEFAULTS: Mapping[str, Any] = MappingProxyType({})

_SHOWN = 3  # differences that an error names


@contextmanager
def open_run(
    out: Path,
    *,
    command: str,
    settings: Settings,
    defaults: Mapping[str, Any] = NO_DEFAULTS,
    facts: Mapping[str, Any] | None = None,
    shard: Shard | None = None,
    overwrite: bool = False,
    key: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Iterator[Run]:
    """Work in an output folder, which is made if need be and ours alone while the block runs.

    Commits that a killed run left are finished first. However the block ends, the manifest is
    written, with the status of what ended it.

    Args:
        out: The output folder.
        command: ``"denoise"``.
        settings: What the folder belongs to, by kind: ``{"result": {...}, "form": {...}}``.
        defaults: Of settings, by name: the values of those that were not known yet to the medclean
            that wrote the folder.
        facts: What the manifest tells besides: job, versions, device, model, seeds.
        shard: Which part of the job to do; None is all.
        overwrite: Redo what is ours in the folder, which from now on belongs to these settings.
        key: File with the key of all labels; the folder's own if None.
        environ: Where SLURM says the job.

    Raises:
        UsageError: The folder belongs to another command, or holds outputs of other settings.
        WriteError: It cannot be written, or a running job holds it.
    """
    secret = read_key(key) if key else None
    folder, asked = out / RUN_FOLDER, digest({"command": command, "settings": settings})
    with ExitStack() as stack:
        with cannot_write(out):
            make_folder(out / STAGING)
            sync_folder(out.parent)
            lock = stack.enter_context(hold(folder, shard, asked, environ))
            state = State.read(folder)
            if state.run:
                refuse_other(out, state.run, command)
            work = work_of(out, state, asked, settings, defaults, overwrite=overwrite)
            if not shard:
                _tidy(folder)
            manifest_path(out, shard).unlink(missing_ok=True)  # what it says ceases to be true
            journal = Journal(folder / (f"journal-{shard}.jsonl" if shard else "journal.jsonl"))
            record = Record(stack.enter_context(closing(journal)), state, work)
            record.note(
                {
                    "kind": "run",
                    "format": FORMAT,
                    "start": state.run.get("start", 0) + 1,
                    "at": now(),
                    "process": str(lock.holder),
                    "command": command,
                    "settings": settings,
                    "work": work,
                    "shard": str(shard) if shard else None,
                    "overwrite": overwrite,
                    "facts": facts or {},
                },
                sync=True,
            )
            finish_left(out, record, shard)
        if overwrite:
            state.redo()
        run = Run(out, record, lock, shard=shard, overwrite=overwrite, key=secret)
        try:
            yield run
        except BaseException as error:
            with suppress(MedcleanError, OSError):  # the first error is the one to tell
                run.event("ended early", by=type(error).__name__)
                run.finish(_status(error))
            raise
        if run.tally is None:
            run.finish()


def refuse_other(out: Path, run: Line, command: str) -> None:
    """Nothing, if the last run in a folder was of this command, in a format that we know.

    Raises:
        UsageError: It was not.
    """
    if run["format"] > FORMAT:
        raise UsageError(f"{out} was written by a newer medclean; use that, or another -o")
    if run["command"] != command:
        raise UsageError(
            f"{out} was written by `medclean {run['command']}`, and this is `medclean {command}`; "
            "write elsewhere with -o"
        )


def work_of(
    out: Path,
    state: State,
    asked: str,
    settings: Settings,
    defaults: Mapping[str, Any],
    *,
    overwrite: bool,
) -> str:
    """The name under which the record knows what is done: that of the last run, if it did the same.

    Args:
        out: The output folder.
        state: What its journals say.
        asked: The name of what is asked, where the record has none.
        settings: As for ``open_run``; so are the others.
        defaults: See there.
        overwrite: See there.

    Raises:
        UsageError: There are outputs of other settings; the differences are named.
    """
    if not state.run:
        return asked
    usual = _flat({"": plain({**defaults})})
    then, today = (usual | _flat(s) for s in (state.run["settings"], plain(settings)))
    changed = [name for name in then | today if then.get(name) != today.get(name)][:_SHOWN]
    if not changed:
        return str(state.run["work"])
    if state.ours and not overwrite:  # else all failed, and perhaps named a setting that helps
        was = ", ".join(f"{name} {then.get(name)!r}" for name in changed)
        asked = ", ".join(f"{name} {today.get(name)!r}" for name in changed)
        raise UsageError(
            f"{out} was written with {was}, and this is {asked}; write elsewhere with -o, or redo "
            "it all with --overwrite"
        )
    return asked


def _flat(settings: Settings) -> dict[str, Any]:
    return {name: v for kind in settings.values() for name, v in _named(kind, "")}


def _named(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """What stands in a setting, as ``mask ratio`` and ``noise 2 sigma``."""
    if isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        value = {str(number): one for number, one in enumerate(value, 1)}
    if not isinstance(value, Mapping):
        yield name, value
        return
    for inner, one in value.items():
        its_own = name and inner == "options"  # of a mask; a model keeps the word
        yield from _named(one, name if its_own else f"{name} {inner}".strip())


def _tidy(folder: Path) -> None:
    """Remove files that a killed process had not yet given their names."""
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)


def _status(error: BaseException) -> Exit:
    """The exit status that an error ends the command with."""
    if isinstance(error, MedcleanError):
        return error.status
    return Exit.INTERRUPTED if isinstance(error, KeyboardInterrupt) else Exit.BUG
