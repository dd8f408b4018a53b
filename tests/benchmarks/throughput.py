"""Slices a second of ``denoise --model identity`` beside the loop that people write by hand.

Both read, decode, re-encode without compression and fsync the same files; the loop is one process,
medclean uses what it is given. They take turns, so that a drift of the machine hits both::

    PYTHONPATH=tests python tests/benchmarks/throughput.py --slices 400 --syntax native
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from os import fsync
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from dicoms import image, save

SYNTAXES = {
    "native": ExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg2000": JPEG2000Lossless,
    "jpegls": JPEGLSLossless,
}


def main() -> None:
    """Print the slices a second of both, and their ratio pair by pair."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        study = Path(folder, "study")
        make_study(study, options.slices, SYNTAXES[options.syntax])
        print(f"{options.slices} slices of 512x512, {options.syntax}", flush=True)
        ratios = []
        for _ in range(options.pairs):
            theirs = options.slices / plain_loop(study, Path(folder, "loop"))
            ours = options.slices / medclean(study, Path(folder, "ours"))
            ratios.append(ours / theirs)
            print(
                f"loop {theirs:6.1f}/s   medclean {ours:6.1f}/s   ratio {ratios[-1]:.2f}",
                flush=True,
            )
        middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
        print(f"median ratio {middle:.2f} (from {low:.2f} to {high:.2f})")


def make_study(folder: Path, slices: int, syntax: UID) -> None:
    """A CT series of noise over a disc, with some 200 elements a header."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    body = np.where(x**2 + y**2 < 0.7, 40.0, -1000.0)
    for number in range(slices):
        stored = np.rint(body + rng.normal(0, 15, body.shape)).astype(np.int16)
        instance = image(stored, number=number + 1, padding=None, intercept="0")
        _fill(instance)
        save(instance, folder / f"{number:05}.dcm", syntax)


def plain_loop(study: Path, out: Path) -> float:
    """Seconds of dcmread, pixel_array, PixelData, new UID, save_as and fsync, file after file."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    start = time.perf_counter()
    for path in sorted(study.iterdir()):
        instance = dcmread(path)
        pixels = instance.pixel_array
        instance.PixelData = pixels.tobytes()
        instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        instance.SOPInstanceUID = generate_uid()
        instance.file_meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
        with (out / path.name).open("wb") as file:
            instance.save_as(file)
            file.flush()
            fsync(file.fileno())
    return time.perf_counter() - start


def medclean(study: Path, out: Path) -> float:
    """Seconds of the whole command, start-up included."""
    shutil.rmtree(out, ignore_errors=True)
    words = ["denoise", str(study), "-o", str(out), "--model", "identity", "--syntax", "explicit"]
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "medclean", *words], check=True, capture_output=True)
    return time.perf_counter() - start


def _fill(instance: Dataset) -> None:
    """Private elements, as many as a scanner writes."""
    block = instance.private_block(0x0019, "BENCHMARK", create=True)
    for element in range(180):
        block.add_new(element, "LO", f"value {element}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--slices", type=int, default=400)
    parser.add_argument("--syntax", choices=SYNTAXES, default="native")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--folder", help="where to work (default: the system's temporary folder)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
