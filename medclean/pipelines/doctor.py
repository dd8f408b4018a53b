"""The story of ``medclean doctor``: what works on this machine, and how to mend what does not."""

import os
import platform
import re
import shutil
import subprocess
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from medclean import checkpoints, device
from medclean.archive.nifti import dcm2niix as converter
from medclean.archive.workers import Workers
from medclean.errors import MedcleanError, MissingError
from medclean.files import sha256_of
from medclean.models._filter import broken

_PIP = "python -m pip install"
_AGAIN = f"{_PIP} --force-reinstall medclean"
_LEAST = 1e9  # bytes of free space
_SPACE = 1 << 46  # bytes of address space: the driver of a GPU maps more than a codec may


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        what: Its name.
        state: ``"ok"``; ``"note"`` where medclean works without it; or ``"missing"``.
        found: What is there.
        mend: What to do, unless it is ok.
        figures: What was measured, to be followed over time.
    """

    what: str
    state: Literal["ok", "note", "missing"]
    found: str
    mend: str = ""
    figures: Mapping[str, float] = {}


Look: TypeAlias = Callable[[], list[Finding]]


def doctor(self_test: Sequence[str] = ()) -> list[Finding]:
    """Look at everything from other processes: a library that crashes is a finding, too.

    Args:
        self_test: Devices on which to try the shipped checkpoints.

    Raises:
        UsageError: A device goes by no such name.
    """
    for where in self_test:
        device.parse(where)
    looks: dict[str, Look] = {
        look.__name__: look
        for look in (python, packages, files, compute, codecs, dcm2niix, weights, disk)
    }
    for name in _required(of_extras=True):
        looks[name] = partial(extra, name)
    for stem, where in product(checkpoints.stems(), self_test):
        looks[f"self-test of {stem} on {where}"] = partial(constancy, stem, where)
    with Workers(2, seconds=120, limit_bytes=_SPACE) as workers:
        futures = [(name, workers.submit(look)) for name, look in looks.items()]
        return [finding for name, future in futures for finding in _seen(name, future)]


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
    names = _required()
    if not names:
        return [
            Finding("medclean", "note", "runs from its sources", f"{_PIP} -e . in their folder")
        ]
    return [_package(name) for name in ("medclean", *names)]


def extra(name: str) -> list[Finding]:
    """Whether a package that medclean works without can be imported; nothing where it is not."""
    if not find_spec(name):
        return []
    if why := broken(name):
        step = f"{_PIP} --force-reinstall {name}"
        return [Finding(name, "note", f"an extra, cannot be imported: {why}", step)]
    return [Finding(name, "ok", f"{metadata.version(name)}, an extra")]


def files() -> list[Finding]:
    """Whether medclean's own files are as they were installed, its cards among them."""
    try:
        stated = [file for file in metadata.files("medclean") or [] if file.hash]
    except metadata.PackageNotFoundError:
        return []  # which `packages` says
    if not stated:
        return []  # they lie in a checkout
    other = [str(file) for file in stated if not _is_as_installed(file)]
    if other:
        found = f"{len(other)} of {len(stated)} are not as they were installed, such as {other[0]}"
        return [Finding("files", "missing", found, _AGAIN)]
    return [Finding("files", "ok", f"{len(stated)} are as they were installed")]


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
    program = converter.program()
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60)
    return [Finding("dcm2niix", "ok", (said.stdout.split() or ["of no stated version"])[-1])]


def weights() -> list[Finding]:
    """The shipped checkpoints, and whether each is the one that its card means."""
    stems = checkpoints.stems()
    if not stems:
        step = "train with `medclean train`, and give the run's folder as --model"
        return [Finding("weights", "note", "none are shipped", step)]
    return [_checkpoint(checkpoints.SHIPPED / f"{stem}.safetensors") for stem in stems]


def constancy(stem: str, where: str) -> list[Finding]:
    """Whether a shipped checkpoint makes of a built-in slice what its card says."""
    from medclean.inference.constancy import ALLOWED, difference, reading

    model, card, _ = checkpoints.load(str(checkpoints.SHIPPED / f"{stem}.safetensors"))
    on = device.choose(where)
    name = f"self-test of {stem} on {on}"
    if not card.constancy:
        return [Finding(name, "note", "its card has no values to compare with", _AGAIN)]
    figures = difference(reading(model, card, str(on)), card.constancy)
    most = max(figures.values())
    found = f"{most:.1e} of scale off its card's values, {ALLOWED:.0e} is allowed"
    if most <= ALLOWED:  # which is not so where it is not a number
        return [Finding(name, "ok", found, figures=figures)]
    step = f"{_AGAIN}; if that does not help, try another build of torch, or processor"
    return [Finding(name, "missing", found, step, figures)]


def disk() -> list[Finding]:
    """Free space where an output would go by default."""
    free = shutil.disk_usage(".").free
    found = f"{free / 1e9:.0f} GB free here"
    if free < _LEAST:
        return [Finding("disk", "note", found, "free space, or write elsewhere with -o")]
    return [Finding("disk", "ok", found)]


def _seen(name: str, future: "Future[list[Finding]]") -> list[Finding]:
    try:
        return future.result()
    except MissingError as error:  # which says itself what to do
        return [Finding(name, "missing", str(error))]
    except MedcleanError as error:
        return [Finding(name, "missing", str(error), _AGAIN)]
    except Exception as error:  # whatever a broken library raises
        return [Finding(name, "missing", f"{type(error).__name__}: {error}", _AGAIN)]


def _required(*, of_extras: bool = False) -> list[str]:
    """What medclean depends on, or its extras do; nothing where pip does not know it."""
    try:
        stated = metadata.requires("medclean") or []
    except metadata.PackageNotFoundError:
        return []
    return [re.split(r"[^\w.-]", line)[0] for line in stated if ("extra ==" in line) is of_extras]


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, "missing", "not installed", f"{_PIP} {name}")


def _is_as_installed(file: metadata.PackagePath) -> bool:
    path = Path(str(file.locate()))
    if not path.is_file() or not file.hash or file.hash.mode != "sha256":
        return path.is_file()
    stated = urlsafe_b64decode(f"{file.hash.value}==").hex()
    return sha256_of(path) == stated


def _checkpoint(path: Path) -> Finding:
    try:
        card = checkpoints.read_card(path)
    except MissingError as error:
        return Finding(path.stem, "missing", str(error), _AGAIN)
    if not path.is_file():
        return Finding(path.stem, "missing", f"no {path.name} beside its card", _AGAIN)
    if sha256_of(path) != card.sha256:
        return Finding(path.stem, "missing", "its SHA-256 is not the card's", _AGAIN)
    return Finding(path.stem, "ok", f"SHA-256 {card.sha256[:12]}, {card.licence}")
