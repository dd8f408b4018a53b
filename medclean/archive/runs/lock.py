"""One job at a time writes to a folder, or the shards of one job."""

import json
import os
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex

from medclean.archive.runs.shard import Shard
from medclean.errors import WriteError
from medclean.files import create

_RENEWED = 60.0  # seconds from one sign of life to the next
_STALE = 600.0  # seconds without one, after which a job on another machine counts as gone
_NAME = re.compile(r"lock(?:-0*(\d+)-of-(\d+))?")


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        host: For people.
        place: Where process numbers mean the same: this start of this machine, or a container.
        pid: Process number there.
        born: When that process began, in ticks of its machine: numbers are used again.
        job: SLURM's number of the job, or "".
        restarts: How often SLURM has started that job anew.
        work: Digest of what is being done: shards of one job do the same.
        token: Tells one start from another.
    """

    host: str
    place: str
    pid: int
    born: int
    job: str
    restarts: int
    work: str
    token: str

    @classmethod
    def here(cls, work: str, environ: Mapping[str, str]) -> "Holder":
        """This process."""
        pid, restarts, born = os.getpid(), environ.get("SLURM_RESTART_COUNT", ""), 0
        with suppress(OSError):
            _, born = _state(pid)
        return cls(
            host=socket.gethostname(),
            place=_place(),
            pid=pid,
            born=born,
            job=environ.get("SLURM_JOB_ID", ""),
            restarts=int(restarts) if restarts.isdecimal() else 0,
            work=work,
            token=token_hex(8),
        )

    def line(self) -> bytes:
        """What stands in the lock file."""
        return json.dumps(asdict(self)).encode() + b"\n"

    def __str__(self) -> str:
        job = f", SLURM job {self.job}" if self.job else ""
        return f"process {self.pid} on {self.host}{job}"


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
                if path != self.path and self._conflicts(path):
                    self._clear(path)
            self.check()
        except BaseException:
            self.release()
            raise

    def check(self) -> None:
        """Nothing, as long as the lock is ours.

        Raises:
            WriteError: It was taken over: this job gave no sign of life for ten minutes.
        """
        holder = _read(self.path)
        if holder is None and create(self.path, self.holder.line()):
            return  # somebody tidied up
        if (holder or _read(self.path)) != self.holder:
            raise WriteError(
                f"{self._out} was taken over by {holder or 'another job'} while this one was "
                "suspended; run the same command again when that has ended"
            )

    def renew(self) -> None:
        """Give signs of life until the lock is released."""
        while not self._released.wait(_RENEWED):
            with suppress(OSError):
                if _read(self.path) == self.holder:
                    os.utime(self.path)

    def release(self) -> None:
        """Remove the file, if it is still ours."""
        self._released.set()
        with suppress(OSError):
            if _read(self.path) == self.holder:
                self.path.unlink()

    @property
    def _out(self) -> Path:
        return self.path.parent.parent

    def _conflicts(self, path: Path) -> bool:
        """Whether another lock and ours exclude one another."""
        match = _NAME.fullmatch(path.name)
        if not match:
            return False
        if self.shard is None or match[2] is None or int(match[2]) != self.shard.of:
            return True
        holder = _read(path)
        return holder is not None and holder.work != self.holder.work

    def _clear(self, path: Path) -> None:
        """Remove a lock that nobody holds any more.

        Raises:
            WriteError: Somebody does.
        """
        holder = _read(path)
        if self._lives(holder, path):
            raise WriteError(
                f"{self._out} is being written by {holder or 'a job of another version'}; "
                "wait until that has ended, or write elsewhere with -o"
            )
        aside = path.with_name(f".{token_hex(8)}.part")
        with suppress(FileNotFoundError):  # somebody else clears it too
            os.rename(path, aside)
            if _read(aside) == holder:
                aside.unlink()
            else:  # it is the lock of somebody who was faster, not the one we looked at
                os.rename(aside, path)

    def _lives(self, holder: Holder | None, path: Path) -> bool:
        mine = self.holder
        if holder and holder.place == mine.place:
            return _runs(holder)
        if holder and holder.job and holder.job == mine.job and holder.restarts < mine.restarts:
            return False  # ourselves, before SLURM moved us here
        with suppress(FileNotFoundError):
            return _now(path.parent) - path.stat().st_mtime < _STALE
        return False


def _read(path: Path) -> Holder | None:
    """Who holds a lock; None where there is no lock, or none that can be read."""
    try:
        return Holder(**json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _now(folder: Path) -> float:
    """The time by the clock of the disk: on a network it need not be ours."""
    mark = folder / f".{token_hex(8)}.part"
    try:
        mark.touch()
        return mark.stat().st_mtime
    finally:
        mark.unlink(missing_ok=True)


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _runs(holder: Holder) -> bool:
    """Whether a process of this place is there, and not another one by the same number."""
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # of another user
    try:
        state, born = _state(holder.pid)
    except OSError:
        return True  # no /proc, or one that hides the processes of others
    return state not in "ZX" and born == holder.born


def _state(pid: int) -> tuple[str, int]:
    """State and start time of a process: fields 3 and 22 of /proc/PID/stat (proc(5))."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    state, *fields = stat.rpartition(") ")[2].split()
    return state, int(fields[18])
