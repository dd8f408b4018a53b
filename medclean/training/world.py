"""The processes of one training: under torchrun, as tasks of srun, or one alone."""

import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import torch
import torch.distributed as dist

from medclean.errors import MissingError
from medclean.learning.processes import agree
from medclean.signals import Stop

PATIENCE = timedelta(hours=2)  # that processes wait for the first, which makes the cache
PORTS = 20_000  # of SLURM jobs from here on, so that two jobs of one node seldom meet


class World(NamedTuple):
    """Where this process stands among those that train together.

    Attributes:
        rank: Its number, from 0.
        size: How many there are.
        local: Its number on this machine, which is that of its GPU.
        sharing: How many share the processors that this one may use.
        meeting: Host and port where they find each other; ``""`` for one alone.
    """

    rank: int = 0
    size: int = 1
    local: int = 0
    sharing: int = 1
    meeting: str = ""


def world(environ: Mapping[str, str]) -> World:
    """What the launcher says: torchrun's variables, else those of a SLURM step with several tasks.

    Raises:
        MissingError: SLURM does not say which machines the step has.
    """
    address, port = environ.get("MASTER_ADDR"), environ.get("MASTER_PORT")
    if "TORCHELASTIC_RUN_ID" in environ or {"RANK", "WORLD_SIZE"} <= environ.keys():
        number = {key: int(environ.get(key, "0")) for key in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
        sharing = int(environ.get("LOCAL_WORLD_SIZE", "1"))
        meeting = f"{address or 'localhost'}:{port or PORTS}"
        return World(number["RANK"], number["WORLD_SIZE"], number["LOCAL_RANK"], sharing, meeting)
    tasks = int(environ.get("SLURM_STEP_NUM_TASKS", "1"))  # of srun; sbatch alone starts one
    if tasks == 1:
        return World()
    host = address or _first(environ.get("SLURM_STEP_NODELIST", ""))
    port = port or str(PORTS + int(environ.get("SLURM_JOB_ID", "0")) % PORTS)
    sharing = 1  # SLURM grants each task its own, where it says how many
    if "SLURM_CPUS_PER_TASK" not in environ:
        sharing = int(re.split(r"\D", environ.get("SLURM_STEP_TASKS_PER_NODE", "1"))[0])
    number = {key: int(environ[f"SLURM_{key}"]) for key in ("PROCID", "LOCALID")}
    return World(number["PROCID"], tasks, number["LOCALID"], sharing, f"{host}:{port}")


@contextmanager
def joined(environ: Mapping[str, str]) -> Iterator[World]:
    """Be one of several processes while the block runs, where a launcher started several.

    GPUs talk through NCCL, processors through gloo.

    Raises:
        MissingError: The others are not to be found.
    """
    found = world(environ)
    if found.size == 1:
        yield found
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(
            backend,
            init_method=f"tcp://{found.meeting}",
            rank=found.rank,
            world_size=found.size,
            timeout=PATIENCE,
        )
    except (RuntimeError, ValueError) as error:
        raise MissingError(
            f"{found.size} processes were to meet at {found.meeting}, and did not "
            f"({type(error).__name__}); say with MASTER_ADDR and MASTER_PORT where they can"
        ) from error
    try:
        yield found
    finally:
        dist.destroy_process_group()


def stop_together(stop: Stop) -> None:
    """Nothing, unless a signal has come to this process or to another; all ask at one moment.

    Raises:
        Stopped: One has, with the status that belongs to it.
    """
    if agree(stop.asked):
        stop.signal = stop.signal or signal.SIGTERM
        stop.check()


def _first(nodes: str) -> str:
    """The first host of a SLURM list: ``gpu03`` of ``gpu[03-05,7],login``."""
    match = re.match(r"([^\[,]+)(?:\[([^\],-]+)[^\]]*\]([^,\[]*))?", nodes)
    if match is None:
        raise MissingError("SLURM_STEP_NODELIST is empty; say with MASTER_ADDR where to meet")
    return "".join(part or "" for part in match.groups())
