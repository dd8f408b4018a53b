"""One job at a time writes to a folder, or the shards of one job."""

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from secrets import token_hex
from time import sleep, time

from medclean.archive.runs.holder import Holder
from medclean.archive.runs.shard import Shard
from medclean.errors import WriteError
from medclean.files import create

_RENEWED = 60.0  # seconds from one sign of life to the next
_STALE = 600.0  # seconds without one, after which a job on another machine counts as gone
_TRIES = 200  # to be the one who clears a stale lock, twenty a second
_NAME = re.compile(r"lock(?:-0*(\d+)-of-(\d+))?")


@contextmanager
def hold(
    folder: Path, shard: Shard | None, work: str, environ: Mapping[str, str]
) -> Iterator["Lock"]:
    """Hold a run folder, or one shard's part of it, while the block runs.

    Args:
        folder: The run folder.
        shard: None holds it against everybody; a shard only against other work, other numbers of
            shards, and its own number.
        work: Digest of what is done.
        environ: Where SLURM says the job.

    Raises:
        WriteError: A job that still runs holds it.
        OSError: The folder cannot be written.
    """
    lock = Lock(folder, shard, Holder.here(work, environ))
    lock.take()
    beat = threading.Thread(target=lock.renew, name="lock", daemon=True)
    beat.start()
    try:
        yield lock
    finally:
        lock.release()
        beat.join()


def refuse_held(folder: Path, shard: Shard | None, work: str, environ: Mapping[str, str]) -> None:
    """Nothing, if ``hold`` would get a folder now; writes nothing.

    Raises:
        WriteError: A job that still runs holds it.
    """
    lock = Lock(folder, shard, Holder.here(work, environ))
    for path in folder.glob("lock*"):
        if path == lock.path or lock.conflicts(path):
            lock.refuse(path, now=time)


class Lock:
    """A file that says who writes to a folder; see ``hold``."""

    def __init__(self, folder: Path, shard: Shard | None, holder: Holder) -> None:
        self.path = folder / (f"lock-{shard}" if shard else "lock")
        self.shard, self.holder = shard, holder
        self._released = threading.Event()

    def take(self) -> None:
        """Make the file, then look for others: of two that begin at once, both may refuse."""
        while not create(self.path, self.holder.line()):
            self._clear(self.path)
        try:
            for path in self.path.parent.glob("lock*"):
                if path != self.path and self.conflicts(path):
                    self._clear(path)
        except BaseException:
            self.release()
            raise

    def check(self) -> None:
        """Nothing, as long as the lock is ours.

        Raises:
            WriteError: It was taken over: this job gave no sign of life for ten minutes.
        """
        holder = Holder.read(self.path)
        if holder is None and create(self.path, self.holder.line()):
            return  # somebody tidied up
        if (holder or Holder.read(self.path)) != self.holder:
            raise WriteError(
                f"{self._out} was taken over by {holder or 'another job'} while this one was "
                "suspended",
                mend="wait until that has ended",
            )

    def renew(self) -> None:
        """Give signs of life until the lock is released."""
        while not self._released.wait(_RENEWED):
            with suppress(OSError):
                if Holder.read(self.path) == self.holder:
                    os.utime(self.path)

    def release(self) -> None:
        """Remove the file, if it is still ours."""
        self._released.set()
        with suppress(OSError):
            if Holder.read(self.path) == self.holder:
                self.path.unlink()

    @property
    def _out(self) -> Path:
        return self.path.parent.parent

    def conflicts(self, path: Path) -> bool:
        """Whether another lock and ours exclude one another."""
        match = _NAME.fullmatch(path.name)
        if not match:
            return False
        if self.shard is None or match[2] is None or int(match[2]) != self.shard.of:
            return True
        holder = Holder.read(path)
        return holder is not None and holder.work != self.holder.work

    def _clear(self, path: Path) -> None:
        """Remove a lock that nobody holds any more.

        Raises:
            WriteError: Somebody does.
        """
        with self._clearing():
            self.refuse(path, now=partial(_now, path.parent))
            path.unlink(missing_ok=True)

    def refuse(self, path: Path, *, now: Callable[[], float]) -> None:
        """Nothing, if nobody holds a lock any more.

        Args:
            path: Of the lock.
            now: The time by the clock that its sign of life was given by.

        Raises:
            WriteError: Somebody does.
        """
        if not self._stale(path, now) and path.exists():
            raise WriteError(
                f"{self._out} is being written by {Holder.read(path) or 'another job'}; "
                "wait until that has ended, or write elsewhere with -o"
            )

    @contextmanager
    def _clearing(self) -> Iterator[None]:
        """One process at a time looks at a lock and removes it: never one just taken."""
        mark = self.path.with_name("clearing")
        for _ in range(_TRIES):
            if create(mark, self.holder.line()):
                break
            if self._stale(mark, partial(_now, mark.parent)):
                mark.unlink(missing_ok=True)  # killed in between
            sleep(0.05)
        else:
            raise WriteError(f"{mark} is held by {Holder.read(mark)}; run again in ten minutes")
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)

    def _stale(self, path: Path, now: Callable[[], float]) -> bool:
        """Whether a lock is there whose holder is not."""
        holder, mine = Holder.read(path), self.holder
        if holder and holder.place == mine.place:
            return not holder.runs()
        if holder and holder.job and holder.job == mine.job and holder.restarts < mine.restarts:
            return True  # ourselves, before SLURM moved us here
        with suppress(FileNotFoundError):
            return now() - path.stat().st_mtime >= _STALE
        return False


def _now(folder: Path) -> float:
    """The time by the clock of the disk: on a network it need not be ours."""
    mark = folder / f".{token_hex(8)}.part"
    try:
        mark.touch()
        return mark.stat().st_mtime
    finally:
        mark.unlink(missing_ok=True)
