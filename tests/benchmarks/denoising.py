"""PSNR, SSIM, faults and seconds a slice of denoisers on the patients that no training has seen.

White noise, not clipped; peak 1 = scale of the clean series. Filters are told the true sigma, and
those that can be told whether the noise is Rician; networks are blind and get the scale of the
noisy series. ``bm3d`` is an extra with a non-commercial licence. Whole slices, two threads for
each, float32::

    python tests/benchmarks/dgan_mr.py --data ../shared/data --out DATASET
    python tests/benchmarks/denoising.py DATASET
    python tests/benchmarks/denoising.py DATASET --models noisy,bm3d,dgan,dgan+ensemble,mirnet=RUN

A model is a name of the catalogue, or NAME=CHECKPOINT; one that has no weights, or whose package
is not installed, is left out. With ``--interpolated`` slices are shown in twice as many rows and
columns once they have noise, as scanners do; ``dgan+off`` is ``denoise --native off``. A data set
of one patient, such as ``sample_data/mr/clean``, is scored whole.

Figures are means over patients, of each the mean over its slices; the spread is the standard
deviation over patients. Bias is that of the mean inside the body, in percent of scale, and
structure the safety figure, 0 where what was removed does not follow the edges: each of the patient
where it is worst.
"""

import argparse
import csv
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple, TypeAlias

import denoising_pictures as pictures
import numpy as np
import torch

from medclean.archive.dataset import gather, split
from medclean.archive.workers import Workers
from medclean.catalog import MODELS, NOISES
from medclean.device import keep_memory
from medclean.errors import MissingError
from medclean.inference.denoiser import Denoiser
from medclean.inference.engine import Engine
from medclean.inference.ladder import Rung
from medclean.log import Log
from medclean.models import bm3d
from medclean.physics.signal.body import body_mask
from medclean.physics.signal.interpolation import band, factors, fill
from medclean.pipelines._inputs import Inputs, find
from medclean.quality import safety
from medclean.signals import Stop
from medclean.training.slices import Slices, cached
from medclean.training.validation import compared
from medclean.volume import Given, Image, scale_of

NAMES = ["noisy", "gaussian", "nlm", "tv", "wavelet", "adf", "bm3d", "rrg", "mirnet", "dgan"]
SIGMAS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3]
SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}  # where the data set states no splits


class Pair(NamedTuple):
    """A slice with and without noise; ``given`` knows the clean series' scale and the sigma."""

    patient: str
    clean: Image
    noisy: Image
    given: Given
    scale: float  # of the noisy series, for networks


Denoise: TypeAlias = Callable[[Pair], Image]


class Row(NamedTuple):
    """What a model reached at a noise level, by patient."""

    sigma: float
    model: str
    psnr: dict[str, float]
    ssim: dict[str, float]
    bias: dict[str, float]  # percent of scale
    structure: dict[str, float]
    seconds: float  # a slice


def main() -> None:
    """Print a table, write each value to a CSV file and draw pictures if asked."""
    options = _options()
    torch.set_num_threads(options.threads)
    bm3d.THREADS = options.threads  # as its package would by itself
    keep_memory()
    told = partial(model_of, noise=options.noise, interpolated=options.interpolated)
    models = dict(filter(None, (told(word) for word in options.models)))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        slices, patients = held_out(options.dataset, Path(folder))
        seen = {patients[series.name] for series, _, _ in slices.spread(options.slices)}
        count = f"{len(seen)} patients, {options.noise}"
        print(f"{count}; PSNR in dB and SSIM, mean (sd) over patients; seconds a slice")
        titles = f"{'bias':>6} {'structure':>9} {'s/slice':>8}"
        print(f"{'sigma':>6} {'model':20} {'PSNR':>14} {'SSIM':>14} {titles}")
        for sigma in options.sigmas:
            pairs = list(noisy_pairs(slices, patients, sigma=sigma, options=options))
            for name, denoise in models.items():
                row = scored(name, denoise, pairs, sigma=sigma)
                rows.append(row)
                _print(row, by_patient=options.by_patient)
            if options.residuals and sigma == options.sigmas[len(options.sigmas) // 2]:
                drawn = [pairs[0], pairs[-1]][: len(pairs)]
                pictures.residuals(drawn, models, options.residuals, detail=options.detail)
    if options.figure:
        pictures.psnr_over_seconds(rows, options.figure)
    if options.csv:
        names = ("psnr", "ssim", "bias", "structure")
        with open(options.csv, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("sigma", "model", "patient", *names))
            for row in rows:
                for patient in row.psnr:
                    values = [getattr(row, name)[patient] for name in names]
                    writer.writerow((row.sigma, row.model, patient, *values))


def held_out(dataset: Path, folder: Path) -> tuple[Slices, dict[str, str]]:
    """The test split's slices, and whose each series is."""
    inputs, log = Inputs.of([dataset]), Log(quiet=True)
    with Workers(1) as workers:
        data = gather(inputs.root, find(inputs, workers, log, modality="MR"))
    alone = len({case.patient for case in data.cases}) == 1
    cases = split(data, {"test": 1.0} if alone else SHARES, seed=0)["test"]
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
        if options.interpolated:
            wide = (2 * clean.shape[0], 2 * clean.shape[1])
            clean, noisy = fill(clean, wide), fill(noisy, wide)
        yield Pair(patients[series.name], clean, noisy, given, scale_of(voxels, series.modality))


def scored(name: str, denoise: Denoise, pairs: list[Pair], *, sigma: float) -> Row:
    """Denoise all; the seconds are the median for 256x256 pixels' worth."""
    found, parts, seconds = defaultdict(list), defaultdict(dict), []
    for number, pair in enumerate(pairs):
        start = time.perf_counter()
        result = denoise(pair)
        seconds.append((time.perf_counter() - start) * 256**2 / pair.clean.size)
        scale, body = float(pair.given.scale), body_mask(pair.clean, "MR")
        bias = 100 * float((result - pair.clean)[body].mean(dtype=np.float64)) / scale
        found[pair.patient].append(compared(result, pair.clean, scale) | {"bias": bias})
        frame = (pair.noisy, result, np.zeros(result.shape, bool))
        if part := safety.measure([frame], "MR"):
            parts[pair.patient][f"{number}"] = part
    psnr, ssim, bias = (
        {patient: fmean(score[metric] for score in scores) for patient, scores in found.items()}
        for metric in ("psnr", "ssim", "bias")
    )
    structure = {
        patient: safety.figures(parts[patient], modality="MR", scale=1.0).structure or 0.0
        for patient in found
    }
    return Row(sigma, name, psnr, ssim, bias, structure, float(np.median(seconds)))


def model_of(word: str, noise: str, *, interpolated: bool) -> tuple[str, Denoise] | None:
    """A name for the table, and what denoises a pair; None where it cannot be had here."""
    if word == "noisy":
        return word, lambda pair: pair.noisy
    name, _, checkpoint = word.partition("=")
    catalogued, _, how = name.partition("+")
    told = not checkpoint and "noise" in MODELS.entry(catalogued).options
    try:
        denoiser = Denoiser.of(f"{catalogued}:noise={noise}" if told else checkpoint or catalogued)
    except MissingError as error:
        print(f"without {name}: {error}", file=sys.stderr)
        return None
    engine = Engine.on(
        Rung("cpu", 1),
        denoiser.model("MR"),
        normaliser=denoiser.normaliser("MR"),
        ensemble=how == "ensemble",
    )
    finds_out = interpolated and not denoiser.plain and how != "off"

    def denoise(pair: Pair) -> Image:
        given = pair.given if denoiser.plain else replace(pair.given, scale=pair.scale, sigma=None)
        if finds_out and (found := band(pair.noisy)):
            given = replace(given, interpolated=factors([found], pair.scale))
        return engine.denoise(pair.noisy[None, None], given)[0]

    return name, denoise


def _print(row: Row, *, by_patient: bool) -> None:
    cells = " ".join(spread(tuple(values.values())) for values in (row.psnr, row.ssim))
    faults = f"{max(row.bias.values(), key=abs):6.2f} {max(row.structure.values()):9.2f}"
    print(f"{row.sigma:6.2f} {row.model:20} {cells} {faults} {row.seconds:8.3f}", flush=True)
    for patient in row.psnr if by_patient else ():
        values = f"{row.psnr[patient]:14.3f} {row.ssim[patient]:14.4f} {row.bias[patient]:6.2f}"
        print(f"{'':6} {patient:>20} {values} {row.structure[patient]:9.2f}")


def spread(values: tuple[float, ...]) -> str:
    """Mean and standard deviation."""
    wide = stdev(values) if len(values) > 1 else 0.0
    return f"{fmean(values):7.3f} ({wide:.3f})".rjust(14)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--models", type=lambda text: text.split(","), default=NAMES)
    parser.add_argument("--noise", default="gaussian", choices=["gaussian", "rician"])
    parser.add_argument("--sigmas", type=float, nargs="+", default=SIGMAS)
    parser.add_argument("--interpolated", action="store_true", help="as 2 x 2 pixels a sample")
    parser.add_argument("--slices", type=int, default=44, help="about how many, from all series")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--by-patient", action="store_true", help="print each patient's figures")
    parser.add_argument("--csv", help="where to write each value")
    parser.add_argument("--figure", help="PNG of PSNR over seconds a slice")
    parser.add_argument(
        "--residuals",
        help="PNG of what each removes at the middle sigma, of the first and the last slice",
    )
    parser.add_argument("--detail", type=int, help="pixels of the middle that --residuals draws")
    return parser.parse_args()


if __name__ == "__main__":
    main()
