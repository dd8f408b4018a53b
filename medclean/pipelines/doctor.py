"""The story of ``medclean doctor``: what works on this machine, and how to mend what does not."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from medclean import checkpoints, device
from medclean.archive.workers import Workers
from medclean.errors import MedcleanError
from medclean.files import sha256_of

_PIP = "python -m pip install"
_AGAIN = f"{_PIP} --force-reinstall medclean"
_LEAST = 1e9  # bytes of free space


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        what: Its name.
        state: ``"ok"``; ``"note"`` where medclean works without it; or ``"missing"``.
        found: What is there.
        mend: What to do, unless it is ok.
    """

    what: str
    state: Literal["ok", "note", "missing"]
    found: str
    mend: str = ""


Look: TypeAlias = Callable[[], list[Finding]]


def doctor() -> list[Finding]:
    """Look at everything from other processes: a library that crashes is a finding, too."""
    looks = (python, packages, compute, codecs, dcm2niix, weights, disk)
    with Workers(2, seconds=120) as workers:
        futures = [(look, workers.submit(look)) for look in looks]
        return [finding for look, future in futures for finding in _seen(look, future)]


def python() -> list[Finding]:
    """The interpreter, and the processors that it may use."""
    slurm = os.environ.get("SLURM_CPUS_PER_TASK")
    granted = f"{device.processors()} ({'granted by SLURM' if slurm else 'affinity mask'})"
    return [
        Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}"),
        Finding("processors", "ok", granted),
    ]


def packages() -> list[Finding]:
    """What medclean depends on, as pip knows it."""
    try:
        requirements = metadata.requires("medclean") or []
    except metadata.PackageNotFoundError:
        return [
            Finding("medclean", "note", "runs from its sources", f"{_PIP} -e . in their folder")
        ]
    names = [re.split(r"[^\w.-]", line)[0] for line in requirements if "extra ==" not in line]
    return [_package(name) for name in ("medclean", *names)]


def compute() -> list[Finding]:
    """The device that ``auto`` means, and whether it computes."""
    import torch
    from torch.nn.functional import conv2d

    where = device.choose("auto")
    cuda, capability = where.type == "cuda", torch.backends.cpu.get_cpu_capability()
    name = torch.cuda.get_device_name(where) if cuda else capability
    sums = conv2d(torch.ones(1, 1, 8, 8, device=where), torch.ones(1, 1, 3, 3, device=where))
    found = f"{where} ({name}) under torch {torch.__version__}"
    if not bool((sums == 9).all()):
        step = "denoise with --device cpu, and look at the driver"
        return [Finding("device", "missing", f"{found} computes wrong sums", step)]
    if where.type == "cpu" and shutil.which("nvidia-smi"):
        built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
        step = "install a torch that fits the driver which nvidia-smi states: see the README"
        return [Finding("device", "note", f"{found}, which is built {built}", step)]
    return [Finding("device", "ok", found)]


def codecs() -> list[Finding]:
    """Each compressed transfer syntax, and the decoders that give the right pixels."""
    from medclean.pipelines._codecs import SAMPLES

    return [
        Finding(f"{sample.name} ({syntax})", "ok", ", ".join(working))
        if working
        else Finding(f"{sample.name} ({syntax})", "missing", "no decoder that works", _AGAIN)
        for sample in SAMPLES
        for syntax, working in sample.decoders().items()
    ]


def dcm2niix() -> list[Finding]:
    """The converter from DICOM to NIfTI, which only the preparation of training data needs."""
    beside = os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", "")))
    program = shutil.which("dcm2niix", path=beside)
    if program is None:
        return [Finding("dcm2niix", "note", "not found", f"{_PIP} dcm2niix")]
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60)
    return [Finding("dcm2niix", "ok", (said.stdout.split() or ["of no stated version"])[-1])]


def weights() -> list[Finding]:
    """The shipped checkpoints, and whether each is the one that its card means."""
    cards = checkpoints.shipped()
    if not cards:
        step = "train with `medclean train`, and give the run's folder as --model"
        return [Finding("weights", "note", "none are shipped", step)]
    return [_checkpoint(checkpoints.SHIPPED / f"{stem}.safetensors", cards[stem]) for stem in cards]


def disk() -> list[Finding]:
    """Free space where an output would go by default."""
    free = shutil.disk_usage(".").free
    found = f"{free / 1e9:.0f} GB free here"
    if free < _LEAST:
        return [Finding("disk", "note", found, "free space, or write elsewhere with -o")]
    return [Finding("disk", "ok", found)]


def _seen(look: Look, future: "Future[list[Finding]]") -> list[Finding]:
    try:
        return future.result()
    except MedcleanError as error:
        return [Finding(look.__name__, "missing", str(error), _AGAIN)]
    except Exception as error:  # whatever a broken library raises
        return [Finding(look.__name__, "missing", f"{type(error).__name__}: {error}", _AGAIN)]


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, "missing", "not installed", f"{_PIP} {name}")


def _checkpoint(path: Path, card: checkpoints.Card) -> Finding:
    if not path.is_file():
        return Finding(path.stem, "missing", f"no {path.name} beside its card", _AGAIN)
    if sha256_of(path) != card.sha256:
        return Finding(path.stem, "missing", "its SHA-256 is not the card's", _AGAIN)
    return Finding(path.stem, "ok", f"SHA-256 {card.sha256[:12]}, {card.licence}")
