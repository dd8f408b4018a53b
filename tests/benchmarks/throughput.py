"""Slices a second of ``denoise --model identity`` beside the loop that people write by hand.

Both read, decode, re-encode without compression and fsync the same files; the loop is one process,
medclean uses what it is given. They take turns, so that a drift of the machine hits both. Beside
the rates stand the processor's milliseconds a slice, which a busy machine changes less::

    PYTHONPATH=tests python tests/benchmarks/throughput.py --slices 1000 --syntax native
    PYTHONPATH=tests python tests/benchmarks/throughput.py --slices 1000 --all
    PYTHONPATH=tests python tests/benchmarks/throughput.py --memory 200 2000
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from os import fsync
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import numpy as np
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from dicoms import image, save

SYNTAXES = {
    "native": ExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg-lossless": JPEGLosslessSV1,
    "jpegls": JPEGLSLossless,
    "jpeg2000": JPEG2000Lossless,
}


class Cost(NamedTuple):
    """Seconds that something took, and those of the processors."""

    wall: float
    processor: float


def main() -> None:
    """Print the slices a second of both, and their ratio pair by pair."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        if options.memory:
            for slices in options.memory:
                make_study(folder / f"{slices}", slices, SYNTAXES[options.syntax])
                peak = peak_memory(folder / f"{slices}", folder / "ours")
                print(f"{slices} slices: {peak >> 20} MiB at most, of all processes", flush=True)
            return
        make_study(folder / "one", 1, ExplicitVRLittleEndian)
        start = min(medclean(folder / "one", folder / "ours").wall for _ in range(3))
        print(f"{options.slices} slices of 512x512; the start alone takes {start:.2f} s")
        for syntax in SYNTAXES if options.all else [options.syntax]:
            make_study(folder / "study", options.slices, SYNTAXES[syntax])
            compare(syntax, folder, options.slices, options.pairs)
            shutil.rmtree(folder / "study")


def compare(syntax: str, folder: Path, slices: int, pairs: int) -> None:
    """Let both take turns over one study, and print what they cost."""
    theirs, ours = [], []
    for _ in range(pairs):
        theirs.append(cost(lambda: plain_loop(folder / "study", folder / "loop")))
        ours.append(medclean(folder / "study", folder / "ours"))
    ratios = [one.wall / other.wall for one, other in zip(theirs, ours, strict=True)]
    cells = [
        f"{name} {slices / statistics.median(c.wall for c in costs):6.1f}/s "
        f"({1000 / slices * statistics.median(c.processor for c in costs):5.2f} ms of processor)"
        for name, costs in (("loop", theirs), ("medclean", ours))
    ]
    middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
    print(f"{syntax:13s}", *cells, f"ratio {middle:.2f} ({low:.2f} to {high:.2f})", flush=True)


def make_study(folder: Path, slices: int, syntax: UID) -> None:
    """A CT series of noise over a disc, with some 200 elements a header."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    body = np.where(x**2 + y**2 < 0.7, 40.0, -1000.0)
    for number in range(slices):
        stored = np.rint(body + rng.normal(0, 15, body.shape)).astype(np.int16)
        instance = image(stored, number=number + 1, intercept="0", AcquisitionTime="101112")
        _fill(instance)
        path = folder / f"{number:05}.dcm"
        if syntax == JPEGLosslessSV1:
            _save_lossless(instance, stored, path)
        else:
            save(instance, path, syntax)


def plain_loop(study: Path, out: Path) -> None:
    """Read, decode, put the pixels and a new UID, save and fsync, file after file."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    for path in sorted(study.iterdir()):
        instance = dcmread(path)
        pixels = instance.pixel_array
        instance.PixelData = pixels.tobytes()
        instance["PixelData"].is_undefined_length = False
        instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        instance.SOPInstanceUID = generate_uid()
        instance.file_meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
        with (out / path.name).open("wb") as file:
            instance.save_as(file)
            file.flush()
            fsync(file.fileno())


def medclean(study: Path, out: Path) -> Cost:
    """What the whole command costs, its start included."""
    shutil.rmtree(out, ignore_errors=True)
    return cost(lambda: _command(study, out).communicate())


def cost(work: Callable[[], object]) -> Cost:
    """What some work costs in this process and those that it starts and waits for."""
    processor, wall = _processor(), time.perf_counter()
    work()
    return Cost(time.perf_counter() - wall, _processor() - processor)


def peak_memory(study: Path, out: Path) -> int:
    """Most bytes that the command and its workers hold together, looked at now and then."""
    shutil.rmtree(out, ignore_errors=True)
    process, peak = _command(study, out), 0
    while process.poll() is None:
        peak = max(peak, sum(_resident(number) for number in _of_session(process.pid)))
        time.sleep(0.02)
    return peak


def _command(study: Path, out: Path) -> "subprocess.Popen[bytes]":
    words = ["denoise", str(study), "-o", str(out), "--model", "identity", "--syntax", "explicit"]
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # as users start
    return subprocess.Popen(
        [sys.executable, "-m", "medclean", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=kept,
    )


def _processor() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _of_session(session: int) -> list[int]:
    numbers = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [number for number in numbers if _session(number) == session]


def _session(process: int) -> int:
    with suppress(ProcessLookupError):
        return os.getsid(process)
    return 0


def _resident(process: int) -> int:
    with suppress(OSError):
        pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * resource.getpagesize()
    return 0


def _fill(instance: Dataset) -> None:
    """Private elements, as many as a scanner writes."""
    block = instance.private_block(0x0019, "BENCHMARK", create=True)
    for element in range(180):
        block.add_new(element, "LO", f"value {element}")


def _save_lossless(instance: Dataset, stored: np.ndarray, path: Path) -> None:
    """Lossless JPEG, which pydicom does not encode."""
    frame = imagecodecs.ljpeg_encode(stored.view(np.uint16), bitspersample=16)
    instance.PixelData = encapsulate([frame])
    instance["PixelData"].VR = "OB"
    instance["PixelData"].is_undefined_length = True
    instance.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    instance.save_as(path, enforce_file_format=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--slices", type=int, default=1000)
    parser.add_argument("--syntax", choices=SYNTAXES, default="native")
    parser.add_argument("--all", action="store_true", help="a line for each syntax")
    parser.add_argument("--memory", type=int, nargs="+", metavar="SLICES", help="peak memory only")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--folder", help="where to work (default: the system's temporary folder)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
