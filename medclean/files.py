"""Files that are there whole or not at all, what they hash to, and what lies in a folder."""

import errno
import os
import secrets
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import file_digest, sha256
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

from medclean.errors import UsageError, WriteError

PART = ".part"
_PARTS = 1000  # that one call of the system writes together
_MEND = {  # before the same command can go on
    errno.ENOSPC: "free space there",
    errno.EDQUOT: "free space in your quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
}
_INSTEAD = {
    errno.EACCES: "get permission to write there, or write elsewhere with -o",
    errno.EPERM: "get permission to write there, or write elsewhere with -o",
    errno.EROFS: "write elsewhere with -o",
    errno.EEXIST: "write elsewhere with -o",
    errno.ENOTDIR: "write elsewhere with -o",
    errno.EXDEV: "let no folder of the output be a mount or a link to another disk",
}
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}  # FAT, some network and user disks
_NO_FOLDER_SYNC = {errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP, errno.EACCES}
_SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Found(NamedTuple):
    """A path that ``walk`` came upon.

    Attributes:
        path: Relative, with ``/``; bytes that are no UTF-8 stand as surrogates.
        why_not: Why it cannot be read as a file, ``""`` where it can.
        failed: It should be readable and is not; what is no file at all has not failed.
    """

    path: str
    why_not: str = ""
    failed: bool = False


@contextmanager
def cannot_write(name: str | Path) -> Iterator[None]:
    """Turn an OSError of this block into an error that says what to do next.

    Args:
        name: What is being written, for errors that do not tell.

    Raises:
        WriteError: Something in the block raised OSError.
    """
    try:
        yield
    except OSError as error:
        told = error.filename2 or error.filename
        where = name if told is None or str(told).endswith(PART) else told
        what, number = f"cannot write {where}: {error.strerror or error}", error.errno or 0
        if number in _INSTEAD:
            raise WriteError(f"{what}; {_INSTEAD[number]}") from error
        raise WriteError(what, mend=_MEND.get(number, "mend that")) from error


@contextmanager
def writing(path: Path, *, lasting: bool = True) -> Iterator[BinaryIO]:
    """Write a file that gets its name once it is whole and on the disk.

    What the block reads it should read before: an OSError inside counts as one of writing. The
    file has the umask's mode and, where we may give it, its folder's group.

    Args:
        path: In a folder that exists; a file of this name is replaced.
        lasting: The name outlives a power failure too, not only a killed process.

    Raises:
        WriteError: Permission, full disk and the like; nothing has changed under the name.
    """
    part = _part(path.parent)
    with cannot_write(path):
        try:
            with open(part, "xb") as file:
                _give_group(file.fileno(), path.parent)
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        if lasting:
            sync_folder(path.parent)


def write_whole(path: Path, content: bytes, *, lasting: bool = True) -> str:
    """Write a file as ``writing`` does; returns its SHA-256 in hex digits."""
    with writing(path, lasting=lasting) as file:
        file.write(content)
    return sha256(content).hexdigest()


def write_parts(path: Path, parts: Sequence[bytes | memoryview]) -> None:
    """Write a file under its name at once: for those that count only once their hash is noted.

    Args:
        path: In a folder that exists; a file of this name is replaced, and not written into, since
            a process that was given up may still be at it.
        parts: The content; none is copied.

    Raises:
        WriteError: Permission, full disk and the like; there is no such file then.
    """
    with cannot_write(path):
        try:
            path.unlink(missing_ok=True)
            with open(path, "xb", buffering=0) as file:
                _give_group(file.fileno(), path.parent)
                left = deque(memoryview(part) for part in parts)
                while left:
                    written = os.writev(file.fileno(), list(islice(left, _PARTS)))
                    while left and written >= len(left[0]):
                        written -= len(left.popleft())
                    if written:
                        left[0] = left[0][written:]
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def create(path: Path, content: bytes, mode: int = 0o666) -> bool:
    """Make a small file unless it exists; of many processes at once, one gets True.

    Nobody sees it without its content: it is a hard link to a file already written. That holds on
    NFS too, where exclusive creation alone would show an empty file for a moment.

    Raises:
        OSError: As any call on files.
    """
    part = _part(path.parent)
    try:
        _put(part, content, mode)
        try:
            os.link(part, path)
        except FileExistsError:
            return part.stat().st_nlink == 2  # NFS: made, but the reply was lost and asked again
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            with suppress(FileExistsError):
                _put(path, content, mode)
                return True
            return False
        return True
    finally:
        part.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, each with the group of the one above.

    Raises:
        OSError: As any call on files.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    try:
        path.mkdir()
        _give_group(path, path.parent)
    except FileExistsError:
        if not path.is_dir():
            raise


def sync_folder(path: Path) -> None:
    """See to it that the names in a folder outlive a power failure, where the disk can promise.

    Raises:
        OSError: As any call on files.
    """
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex digits.

    Raises:
        OSError: It cannot be read.
    """
    with open(path, "rb") as file:
        return file_digest(file, "sha256").hexdigest()


def walk(root: Path, walked: set[tuple[int, int]] | None = None) -> list[Found]:
    """All that lies in a folder and below, folders themselves left out, sorted by path.

    Links are followed. A folder that can be reached in several ways is walked once, under its own
    name if that lies here, so that loops of links end. Nothing is opened, so that nothing blocks.

    Args:
        root: A folder, or a file, which is found under its name.
        walked: Device and number of folders that other walks went through, which are not walked
            again; these are added.

    Raises:
        UsageError: There is no such path.
    """
    if not root.exists():
        raise UsageError(f"no file or folder {root}")
    if not root.is_dir():
        return [_look(root, root.name)]
    found: list[Found] = []
    walked = set() if walked is None else walked
    folders, links = [""], list[str]()  # relative, with "/" behind; links wait for all else
    while folders or links:
        place = folders.pop() if folders else heappop(links)
        try:
            here = os.stat(root / place)
            if (here.st_dev, here.st_ino) in walked:
                found.append(Found(place[:-1] or ".", "leads to a folder that is walked already"))
                continue
            walked.add((here.st_dev, here.st_ino))
            names = os.listdir(root / place)
        except OSError as error:
            found.append(Found(place[:-1] or ".", _unreadable(error), failed=True))
            continue
        for path in (place + name for name in names):
            if not os.path.isdir(root / path):  # False for links that lead nowhere or in circles
                found.append(_look(root / path, path))
            elif os.path.islink(root / path):
                heappush(links, f"{path}/")
            else:
                folders.append(f"{path}/")
    return sorted(found)


def _look(path: Path, name: str) -> Found:
    """Whether something that is no folder is a file that we may read."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except OSError as error:
        return Found(name, _unreadable(error), failed=True)
    if kind != stat.S_IFREG:
        return Found(name, f"{_SPECIAL.get(kind, 'something else')}, not a file")
    if not os.access(path, os.R_OK):
        return Found(name, "cannot be opened: permission denied", failed=True)
    return Found(name)


def _unreadable(error: OSError) -> str:
    return f"cannot be opened: {(error.strerror or 'unknown reason').lower()}"


def _part(folder: Path) -> Path:
    """A name of its own for a file that is not whole yet, short whatever the final name is."""
    return folder / f".{secrets.token_hex(8)}{PART}"


def _put(path: Path, content: bytes, mode: int) -> None:
    # It is closed below: what it cannot be opened for leaves nothing to remove.
    file = open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode))  # noqa: SIM115
    try:
        with file:
            _give_group(file.fileno(), path.parent)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _give_group(made: int | Path, folder: Path) -> None:
    group = folder.stat().st_gid
    if os.stat(made).st_gid != group:
        with suppress(OSError):  # we are no member: it keeps our own group
            os.chown(made, -1, group)
