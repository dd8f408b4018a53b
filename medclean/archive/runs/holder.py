"""Which process holds a lock, and whether it still runs."""

import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex


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

    @classmethod
    def read(cls, path: Path) -> "Holder | None":
        """Who holds a lock; None where there is no lock, or none that can be read."""
        try:
            return cls(**json.loads(path.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def runs(self) -> bool:
        """Whether this process of our own place is there, and not another by the same number."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # of another user
        try:
            state, born = _state(self.pid)
        except OSError:
            return True  # no /proc, or one that hides the processes of others
        return state not in "ZX" and born == self.born


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _state(pid: int) -> tuple[str, int]:
    """State and start time of a process: fields 3 and 22 of /proc/PID/stat (proc(5))."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    state, *fields = stat.rpartition(") ")[2].split()
    return state, int(fields[18])
