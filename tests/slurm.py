"""A SLURM controller of our own, with this host as its one node, for tests of what it runs."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from peers import free_ports, program

CONFIG = """
ClusterName=medclean
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
SchedulerParameters=batch_sched_delay=0,sched_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""
PATIENCE = 600  # seconds, for what takes a few; a busy machine takes minutes


@dataclass(frozen=True)
class Cluster:
    """A controller that is running, and its node.

    Attributes:
        folder: Where jobs leave their output.
        environ: What its programs need.
    """

    folder: Path
    environ: dict[str, str]

    def run(self, *words: str) -> str:
        """What a program of SLURM prints."""
        command = [program(words[0]), *words[1:]]
        done = subprocess.run(command, env=self.environ, capture_output=True, text=True, check=True)
        return done.stdout

    def submit(self, script: Path, *options: str) -> str:
        """The number of a job that runs a script."""
        out = f"--output={self.folder}/%A-%a.out"
        return self.run("sbatch", "--parsable", out, *options, str(script)).strip()

    def states(self, job: str) -> list[str]:
        """Where a job stands, or each task of an array."""
        told = self.run("scontrol", "show", "job", job)
        return re.findall(r"JobState=(\w+)", told)

    def restarts(self, job: str) -> int:
        """How often a job was requeued."""
        return sum(
            map(int, re.findall(r"Restarts=(\d+)", self.run("scontrol", "show", "job", job)))
        )

    def said(self, job: str) -> str:
        """What a job has printed."""
        return "".join(p.read_text() for p in sorted(self.folder.glob(f"{job}-*.out")))

    def await_state(self, job: str, state: str) -> None:
        """Wait until a job, with all its tasks, stands there."""
        until(lambda: set(self.states(job)) == {state}, f"job {job} is {state}", self.folder)


def until(holds, what: str, folder: Path) -> None:
    """Wait for something; says what the daemons said if it does not come."""
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            logs = "\n".join(path.read_text() for path in folder.glob("*.[lo][ou][gt]"))
            raise TimeoutError(f"not so after {PATIENCE} s: {what}\n{logs[-5000:]}")
        time.sleep(0.2)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Run the daemons while the block runs; the test is skipped where SLURM is not installed."""
    daemons = [program(name, "/usr/sbin") for name in ("munged", "slurmctld", "slurmd")]
    folder.chmod(0o700)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    host, user = socket.gethostname().partition(".")[0], os.environ.get("USER", "root")
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(host=host, user=user, folder=folder, ports=free_ports(2)))
    beside = str(Path(sys.executable).parent)
    environ = {
        **os.environ,
        "SLURM_CONF": str(config),
        "PATH": f"{beside}:{os.environ['PATH']}",
    }
    munge = ["--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge"]
    munge += [f"--{name}-file={folder}/munged.{name}" for name in ("pid", "log", "seed")]
    commands = [[daemons[0], *munge], [daemons[1], "-D", "-c"], [daemons[2], "-D", "-c"]]
    with ExitStack() as stack:
        for command in commands:
            daemon = subprocess.Popen(
                command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(_end, daemon)
        found = Cluster(folder, environ)
        until(lambda: _is_idle(found), "the node is idle", folder)
        yield found


def _is_idle(cluster: Cluster) -> bool:
    try:
        return "idle" in cluster.run("sinfo", "--noheader", "--format=%t")
    except subprocess.CalledProcessError:
        return False


def _end(daemon: "subprocess.Popen[bytes]") -> None:
    daemon.terminate()
    try:
        daemon.wait(20)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
