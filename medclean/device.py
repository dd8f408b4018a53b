"""Where the arithmetic runs: the device, its precision, and how the processors are shared."""

import ctypes
import os
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from medclean.errors import MissingError, UsageError

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bf16"]

_KINDS = ("auto", "cpu", "cuda", "cuda:N", "mps")
_TRIM, _MMAP = -1, -3  # what glibc's mallopt calls its two thresholds
_KEPT = 2**30  # bytes
_LARGEST_MMAP = 2**25  # bytes; glibc before 2.35 refuses more
_MOST_NOISE = 0.02  # that bf16 may change, as a share of the noise that is removed
_MOST_BIAS = 0.1  # that it may shift the mean, in stored units


class Share(NamedTuple):
    """How the processors are shared between processes and threads."""

    workers: int
    threads: int


def parse(asked: str) -> tuple[str, str]:
    """The kind of device that a word names, and its number, ``""`` where it names none.

    Raises:
        UsageError: The word is none of ``auto``, ``cpu``, ``cuda``, ``cuda:N`` and ``mps``.
    """
    kind, _, number = asked.partition(":")
    if kind not in _KINDS or (number and not (kind == "cuda" and number.isdecimal())):
        raise UsageError(f"no device {asked!r}; expected {', '.join(_KINDS)}")
    return kind, number


def choose(asked: str) -> "torch.device":
    """The device that a word means: auto is the first GPU, or the processor where there is none.

    Raises:
        UsageError: See ``parse``.
        MissingError: This machine does not have that device.
    """
    import torch

    kind, number = parse(asked)
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    has_mps = torch.backends.mps.is_available()
    if kind == "auto":
        return torch.device("cuda:0" if cards else "mps" if has_mps else "cpu")
    if kind == "cuda" and int(number or 0) >= cards:
        there = f"torch {torch.__version__} finds {cards or 'no'} CUDA device{'s'[cards < 2 :]}"
        step = f"ask for cuda:0 to cuda:{cards - 1}" if cards else "see `medclean doctor`"
        raise MissingError(f"device {asked!r}: {there}; {step}, or use --device auto")
    if kind == "mps" and not has_mps:
        raise MissingError(f"device {asked!r}: this is no Apple GPU; use --device auto")
    return torch.device(kind, int(number or 0)) if kind == "cuda" else torch.device(kind)


def processors() -> int:
    """How many processors are ours: SLURM's word, else the affinity mask."""
    granted = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if granted.isdecimal() and int(granted):
        return int(granted)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share_processes(workers: int | None = None) -> int:
    """How many worker processes compute where this process only tells them what to do.

    Args:
        workers: That were asked for; one a processor if None, and never more.
    """
    return min(workers or processors(), processors())


def share_threads(workers: int | None = None, *, device: str = "cpu") -> Share:
    """Divide the processors between worker processes and torch's threads, which are set here.

    Together they never exceed the processors, unless there is only one: then it is one each.

    Args:
        workers: Processes that were asked for; chosen if None: a quarter where the processor
            computes, all but one where it only feeds a GPU.
        device: Type of the device that computes.
    """
    import torch

    mine = processors()
    if workers is None:
        workers = mine // 4 if device == "cpu" else mine - 1
    workers = max(1, min(workers, mine - 1))
    share = Share(workers, max(1, mine - workers))
    torch.set_num_threads(share.threads)
    keep_memory()
    return share


def precision(
    asked: str,
    device: "torch.device",
    difference: Mapping[str, float] | None,
) -> Precision:
    """The arithmetic that ``auto`` means; any other word means itself.

    Args:
        asked: ``"auto"``, ``"float32"`` or ``"bf16"``.
        device: Where the network runs.
        difference: What the checkpoint's card says that bf16 changes: ``noise``, RMS as a share of
            the noise that is removed, and ``bias``, in stored units. None: nobody measured it.
    """
    import torch

    if asked != "auto":
        return "bf16" if asked == "bf16" else "float32"
    if difference is None or device.type != "cuda":
        return "float32"
    able = torch.cuda.get_device_capability(device) >= (8, 0)
    safe = difference["noise"] < _MOST_NOISE and abs(difference["bias"]) < _MOST_BIAS
    return "bf16" if able and safe else "float32"


def keep_memory(most: int = _KEPT) -> None:
    """Let this process keep what it frees for what it allocates next.

    glibc gives the memory of large arrays back to the system and asks for it anew, page by page:
    a fifth of the time of a small network on a processor. Other systems are left as they are.

    Args:
        most: Bytes that it keeps.
    """
    tell = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if tell is not None and (tell(_MMAP, most) or tell(_MMAP, _LARGEST_MMAP)):
        tell(_TRIM, most)  # alone it would end glibc's own adapting, and leave it worse


def filter_class(*more: str) -> dict[str, Any]:
    """What the rounding of filters depends on: as ``machine_class``, with no need of torch.

    Args:
        more: Packages that compute too.
    """
    import numpy as np

    found: Any = np.show_config(mode="dicts")
    libraries = {name: version(name) for name in ("numpy", "scipy", "scikit-image", *more)}
    return {
        "device": "cpu",
        "name": " ".join(found["SIMD Extensions"]["found"]),
        "dtype": "float32",
        **libraries,
    }


def machine_class(
    device: "torch.device", dtype: Precision, *, batch: int, tile: int | None
) -> dict[str, Any]:
    """All that rounding depends on: two runs of one class give the same bytes."""
    import torch

    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    elif device.type == "cpu":
        name = torch.backends.cpu.get_cpu_capability()
    else:
        name = device.type
    return {
        "device": device.type,
        "name": name,
        "dtype": dtype,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "batch": batch,
        "tile": tile,
    }
