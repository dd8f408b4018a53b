"""Files move from the staging folder to their final names."""

import errno
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from medclean.errors import DataError
from medclean.files import make_folder, sha256_of, sync_folder


class Move(NamedTuple):
    """One file of a commit; both paths are relative to the output folder."""

    staged: str
    final: str
    sha256: str


def prepare(out: Path, moves: Sequence[Move], is_ours: Callable[[str], bool]) -> None:
    """All that can go wrong before anything is decided: see to it that the renames will work.

    Args:
        out: The output folder.
        moves: What shall be renamed.
        is_ours: Whether we may take a final name that is not free.

    Raises:
        DataError: A final name is taken by what is not ours, or leads out of the output folder.
        OSError: A staged file is missing, or a folder cannot be made.
    """
    refuse_foreign(out, (move.final for move in moves), is_ours)
    inside = out.resolve()
    for name in {Path(folder) for folder in {os.path.dirname(move.final) for move in moves}}:
        folder = out / name
        if not folder.resolve().is_relative_to(inside):
            raise DataError(f"{name} leads out of the output folder; remove that link")
        make_folder(folder)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    for move in moves:
        os.lstat(out / move.staged)
    _sync(out, (move.staged for move in moves))


def perform(out: Path, moves: Sequence[Move], remove: Mapping[str, str]) -> None:
    """Rename what is still staged, and remove what an earlier commit left and this one does not.

    Args:
        out: The output folder.
        moves: What the commit line lists.
        remove: SHA-256 by path; a file that somebody changed stays.

    Raises:
        OSError: A rename failed; the next start goes on with it.
    """
    for folder in {out / folder for folder in {os.path.dirname(move.final) for move in moves}}:
        make_folder(folder)
    for move in moves:
        with suppress(FileNotFoundError):  # renamed before the last run was killed
            os.replace(out / move.staged, out / move.final)
    _sync(out, (move.final for move in moves))
    for path, sha256 in remove.items():
        if is_file(out / path, sha256):
            (out / path).unlink()
            _remove_empty(out, path)


def can_finish(out: Path, moves: Sequence[Move]) -> bool:
    """Whether every file of a commit is there, staged or under its final name.

    Raises:
        OSError: A file cannot be read.
    """
    return all(
        is_file(out / move.staged, move.sha256) or is_file(out / move.final, move.sha256)
        for move in moves
    )


def retract(out: Path, moves: Sequence[Move]) -> None:
    """Take back the final names that a commit gave, where some of its files are lost.

    Raises:
        OSError: A file cannot be removed.
    """
    for move in moves:
        if is_file(out / move.final, move.sha256):
            (out / move.final).unlink()


def refuse_foreign(out: Path, finals: Iterable[str], is_ours: Callable[[str], bool]) -> None:
    """Nothing, as long as all these names are free or ours.

    Raises:
        DataError: Something else lies there.
    """
    for final in finals:
        if os.path.lexists(out / final) and not is_ours(final):
            raise DataError(
                f"{final} in the output folder is not the output of this series; write elsewhere "
                "with -o, move it away or, if medclean wrote it, take its place with --overwrite"
            )


def is_file(path: Path, sha256: str) -> bool:
    """Whether a file is there with this content, and no link to one.

    Raises:
        OSError: It is there and cannot be read.
    """
    try:
        return S_ISREG(os.lstat(path).st_mode) and sha256_of(path) == sha256
    except (FileNotFoundError, NotADirectoryError):
        return False


def _sync(out: Path, paths: Iterable[str]) -> None:
    """See to it that these names outlive a power failure, and those of the folders above."""
    direct = {Path(folder) for folder in {os.path.dirname(path) for path in paths}}
    folders = direct | {above for folder in direct for above in folder.parents}
    for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
        sync_folder(out / folder)


def _remove_empty(out: Path, path: str) -> None:
    """Remove the folders above a path, up to the output folder, that hold nothing now."""
    with suppress(OSError):  # not empty
        for folder in Path(path).parents[:-1]:
            (out / folder).rmdir()
