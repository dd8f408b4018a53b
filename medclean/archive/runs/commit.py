"""A series gets its final names: all of its files, or none after the next start.

The order is what makes it safe: staged files and their names are on the disk, then the commit line,
then come the renames and their folders, then the done line. A run that is killed in between leaves
a commit without done, which the next start finishes.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from medclean.archive.runs import moves
from medclean.archive.runs.folder import RUN_FOLDER, relative
from medclean.archive.runs.moves import Move
from medclean.archive.runs.record import Record, input_line
from medclean.archive.runs.shard import Shard
from medclean.archive.runs.state import SeriesState
from medclean.errors import Exit
from medclean.files import cannot_write

STAGING = f"{RUN_FOLDER}/staging"


def commit(
    out: Path,
    record: Record,
    key: str,
    files: Mapping[str, str],
    said: Mapping[str, Any],
    *,
    inputs: Mapping[str, Mapping[str, Any]],
    status: Exit,
    is_ours: Callable[[str], bool],
) -> None:
    """Give all outputs of a series their final names.

    Args:
        out: The output folder.
        record: Where the commit is noted.
        key: Of the series.
        files: SHA-256 by path of its outputs, all staged.
        said: What the manifest says of the series.
        inputs: What it says of inputs besides, by path.
        status: What is wrong with it all the same.
        is_ours: Whether we may take a final name that is not free.

    Raises:
        DataError: Something that is not ours lies under a final name.
        WriteError: It cannot be written; the next start goes on.
    """
    todo = [Move(f"{STAGING}/{key}/{relative(path)}", path, s) for path, s in files.items()]
    ours = record.state.ours
    owners = {key, *_displaced(record, key, files)}
    old = {
        path: sha256
        for owner in sorted(owners)
        for path, sha256 in record.series(owner).files.items()
        if ours.get(path) == owner
    }
    with cannot_write(out):
        moves.prepare(out, todo, is_ours)
        line = {
            "kind": "commit",
            "series": key,
            "work": record.work,
            "files": todo,
            "remove": [(path, s) for path, s in old.items() if path not in files],
            "inputs": inputs,
            "record": said,
            "exit": status,
        }
        record.note(line, sync=True)
        _complete(out, record, key)
        for owner in sorted(owners - {key}):
            record.note({"kind": "undone", "series": owner}, sync=True)


def _displaced(record: Record, key: str, files: Iterable[str]) -> set[str]:
    """Other series that lose an output to this one: of none shall only a part be left."""
    owners = {record.state.ours.get(path, key) for path in files} - {key}
    return {owner for owner in owners if "copies" not in record.series(owner).facts}


def withdraw(out: Path, record: Record, key: str) -> None:
    """Remove what an earlier start wrote of a series; a file that somebody changed stays.

    Raises:
        WriteError: It cannot be removed.
    """
    ours = record.state.ours
    old = {path: s for path, s in record.series(key).files.items() if ours.get(path) == key}
    if old:
        with cannot_write(out):
            moves.perform(out, [], old)
        record.note({"kind": "withdrawn", "series": key})


def finish_left(out: Path, record: Record, shard: Shard | None) -> None:
    """Finish what killed runs had begun to commit; shards beside us finish their own.

    Raises:
        WriteError: It cannot be written; the next start goes on.
    """
    for key, series in record.state.series.items():
        journal = str(series.commit["journal"]) if series.commit else ""
        beside = shard and journal.endswith(f"-of-{shard.of}.jsonl")
        if not journal or (beside and journal != record.journal.path.name):
            continue
        with cannot_write(out):
            if moves.can_finish(out, _moves(series)):
                _complete(out, record, key)
            else:
                moves.retract(out, _moves(series))
                record.note({"kind": "undone", "series": key}, sync=True)


def remove_staged(out: Path, key: str = "") -> None:
    """Empty the staging folder of a series, or the whole."""
    with suppress(OSError):
        shutil.rmtree(out / STAGING / key)


def _complete(out: Path, record: Record, key: str) -> None:
    series = record.series(key)
    line = series.commit or {}
    moves.perform(out, _moves(series), dict(line["remove"]))
    sha256 = {final: sha256 for _, final, sha256 in line["files"]}
    inputs = []
    for path in series.inputs:
        output = path if path in sha256 else None
        known = input_line(path, "done", series=key, output=output, sha256=sha256.get(path))
        inputs.append({"kind": "input", **known, **line["inputs"].get(path, {})})
    record.note(*inputs, {"kind": "done", "series": key}, sync=True)
    remove_staged(out, key)


def _moves(series: SeriesState) -> list[Move]:
    return [Move(*move) for move in series.commit["files"]] if series.commit else []
