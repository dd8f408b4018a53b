"""PSNR, SSIM and seconds a slice of denoisers on the patients that no training has seen.

White Gaussian noise, not clipped, peak 1 = scale of the clean series; ``bm3d`` (a package with a
non-commercial licence, installed for this alone) and ``nlm`` are told the true sigma, networks are
blind and get the scale of the noisy series. Whole slices, two threads, float32::

    python tests/benchmarks/dgan_mr.py --data ../shared/data --out DATASET
    python tests/benchmarks/denoising.py DATASET --models noisy,gaussian,nlm,bm3d,dgan

A model is a name of the catalogue, or a checkpoint. Figures are means over patients, of each the
mean over its slices; the spread is the standard deviation over patients.
"""

import argparse
import csv
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np
import torch

from medclean.archive.dataset import gather, split
from medclean.archive.workers import Workers
from medclean.catalog import NOISES
from medclean.inference.denoiser import Denoiser
from medclean.inference.engine import Engine
from medclean.inference.ladder import Rung
from medclean.log import Log
from medclean.pipelines._inputs import Inputs, find
from medclean.signals import Stop
from medclean.training.slices import Slices, cached
from medclean.training.validation import compared
from medclean.volume import Given, Image, scale_of

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}  # where the data set states no splits


class Pair(NamedTuple):
    """A slice with and without noise; ``given`` knows the clean series' scale and the sigma."""

    patient: str
    clean: Image
    noisy: Image
    given: Given
    scale: float  # of the noisy series, for networks


def main() -> None:
    """Print a table, and write each value to a CSV file if asked."""
    options = _options()
    torch.set_num_threads(options.threads)
    models = {name: model_of(name) for name in options.models.split(",")}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        slices, patients = held_out(options.dataset, Path(folder))
        count = f"{len({patients[s.name] for s in slices.series})} patients, {options.noise}"
        print(f"{count}; PSNR in dB and SSIM, mean (sd) over patients; seconds a slice")
        print(f"{'sigma':>6} {'model':28} {'PSNR':>14} {'SSIM':>14} {'s/slice':>8}")
        for sigma in options.sigmas:
            pairs = list(noisy_pairs(slices, patients, sigma=sigma, options=options))
            for name, model in models.items():
                scores, seconds = score(model, pairs)
                rows += [(sigma, name, patient, *values) for patient, values in scores.items()]
                cells = (spread(values) for values in zip(*scores.values(), strict=True))
                print(f"{sigma:6.2f} {name:28} {' '.join(cells)} {seconds:8.3f}", flush=True)
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            csv.writer(file).writerows([("sigma", "model", "patient", "psnr", "ssim"), *rows])


def held_out(dataset: Path, folder: Path) -> tuple[Slices, dict[str, str]]:
    """The test split's slices, and whose each series is."""
    inputs, log = Inputs.of([dataset]), Log(quiet=True)
    with Workers(1) as workers:
        data = gather(inputs.root, find(inputs, workers, log, modality="MR"))
    cases = split(data, SHARES, seed=0)["test"]
    slices = cached(cases, folder, report=lambda line: print(line, file=sys.stderr), stop=Stop())
    return slices, {case.name: case.patient for case in cases}


def noisy_pairs(
    slices: Slices, patients: dict[str, str], *, sigma: float, options: argparse.Namespace
) -> Iterator[Pair]:
    """Slices spread evenly over each series, with noise that depends on their place alone."""
    noise = NOISES.make(f"{options.noise}:sigma={sigma}")
    for number, (series, axis, position) in enumerate(slices.spread(options.slices)):
        rng = np.random.default_rng((number, int(1000 * sigma)))
        clean = np.array(slices.stack(series, axis, position)[0])
        given = replace(series.given(axis), sigma=sigma * series.scale)
        voxels = noise(slices.pool(series), rng, given)
        noisy = noise(clean, rng, given)
        yield Pair(patients[series.name], clean, noisy, given, scale_of(voxels, series.modality))


def score(
    model: Callable[[Pair], Image], pairs: list[Pair]
) -> tuple[dict[str, tuple[float, float]], float]:
    """PSNR and SSIM by patient, and the median seconds of a slice of 256x256 pixels' worth."""
    found, seconds = defaultdict(list), []
    for pair in pairs:
        start = time.perf_counter()
        result = model(pair)
        seconds.append((time.perf_counter() - start) * 256**2 / pair.clean.size)
        found[pair.patient].append(compared(result, pair.clean, float(pair.given.scale)))
    means = {
        patient: (fmean(s["psnr"] for s in scores), fmean(s["ssim"] for s in scores))
        for patient, scores in found.items()
    }
    return means, float(np.median(seconds))


def model_of(name: str) -> Callable[[Pair], Image]:
    """What denoises a pair: the noisy image itself, the bm3d package, or ours."""
    if name == "noisy":
        return lambda pair: pair.noisy
    if name == "bm3d":
        from bm3d import bm3d

        return lambda pair: bm3d(pair.noisy, float(pair.given.sigma)).astype(np.float32)
    denoiser = Denoiser.of(name)
    engine = Engine.on(Rung("cpu", 1), denoiser.model("MR"), normaliser=denoiser.normaliser("MR"))

    def denoise(pair: Pair) -> Image:
        given = pair.given if denoiser.plain else replace(pair.given, scale=pair.scale, sigma=None)
        return engine.denoise(pair.noisy[None, None], given)[0]

    return denoise


def spread(values: tuple[float, ...]) -> str:
    """Mean and standard deviation."""
    wide = stdev(values) if len(values) > 1 else 0.0
    return f"{fmean(values):7.3f} ({wide:.3f})".rjust(14)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--models", default="noisy,gaussian,nlm,bm3d,dgan")
    parser.add_argument("--noise", default="gaussian", choices=["gaussian", "rician"])
    parser.add_argument("--sigmas", type=float, nargs="+", default=[0.05, 0.1, 0.2])
    parser.add_argument("--slices", type=int, default=33, help="about how many, from all series")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--csv", help="where to write each value")
    return parser.parse_args()


if __name__ == "__main__":
    main()
