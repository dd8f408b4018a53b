"""Safety figures of good and bad denoisers on real images with known noise.

What the limits in ``medclean/quality/limits.py`` call measured. White noise in CT, Gaussian and
Rician noise in MR, four slices a volume; ``truth`` is the image without that noise::

    python tests/benchmarks/safety.py --data ../shared/data

A figure that is not green is marked: ``~`` amber, ``!`` red.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
import torch

from medclean.catalog import NOISES
from medclean.inference.denoiser import Denoiser
from medclean.inference.engine import Engine
from medclean.inference.ladder import Rung
from medclean.quality import safety
from medclean.quality.limits import judged, rows
from medclean.volume import CT_SCALE, UNITS, Given, Image

FILES = {
    "MR": (
        "mr_brain_t1w_datalad",
        "mr_brain_flair_openms_patient03_study1",
        "mr_brain_t2w_openms_patient12_study1",
        "mr_brain_t1gd_pyradiomics1",
        "mr_prostate_t2_prostatex",
    ),
    "CT": (
        "ct_abdomen_philips_fnndsc",
        "ct_chest_philips_lungdx0001_B",
        "ct_chest_philips_lungdx0001_L",
        "ct_heart_totalseg_cropped",
    ),
}
SAGITTAL = ("mr_brain_t1w_datalad",)  # slices along the first axis
NOISE = {
    "MR": [f"{kind}:sigma={level}" for kind in ("gaussian", "rician") for level in (0.05, 0.1)],
    "CT": ["gaussian:sigma=25HU", "gaussian:sigma=60HU"],
}
MODELS = {
    "MR": ("truth", "dgan", "nlm", "median", "gaussian", "gaussian:sigma=2"),
    "CT": ("truth", "nlm", "median", "gaussian", "gaussian:sigma=2"),
}
MARKS = {"green": " ", "amber": "~", "red": "!"}


class Case(NamedTuple):
    """A volume's slices and what is known about them."""

    name: str
    clean: Image
    given: Given


def main() -> None:
    """Print a line for each volume, noise and model."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--slices", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(2)
    for modality, specs in NOISE.items():
        figures = [f"{row.figure:>10}" for row in rows(modality)]
        print(f"{'image':24} {'noise':22} {'model':18}", *figures)
        models = {name: model_of(name, modality) for name in MODELS[modality]}
        for case in cases(options.data, modality, options.slices):
            for spec in specs:
                show(case, spec, models)


def cases(data: Path, modality: str, slices: int) -> Iterator[Case]:
    """The volumes, of each some slices from its middle."""
    for name in FILES[modality]:
        file = nibabel.load(data / modality.lower() / f"{name}.nii.gz")
        volume = np.asarray(file.dataobj, np.float32)
        volume = np.moveaxis(volume, 0 if name in SAGITTAL else 2, 0)
        places = np.linspace(0.3 * len(volume), 0.7 * len(volume), slices).astype(int)
        scale = CT_SCALE if modality == "CT" else float(np.percentile(volume, 99.9))
        yield Case(name, volume[places], Given(UNITS[modality], scale, (1, 1, 1), modality))


def model_of(name: str, modality: str) -> Callable[[Image, Given], Image] | None:
    """What denoises a stack; None for the truth."""
    if name == "truth":
        return None
    denoiser = Denoiser.of(name)
    normaliser = denoiser.normaliser(modality)
    engine = Engine.on(Rung("cpu", 1), denoiser.model(modality), normaliser=normaliser)
    return lambda images, given: engine.denoise(images[:, None], given)


def show(case: Case, spec: str, models: dict[str, Callable[[Image, Given], Image] | None]) -> None:
    """The figures of each model for one volume under one noise."""
    noise, modality = NOISES.make(spec), case.given.modality
    images = (noise(s, np.random.default_rng(n), case.given) for n, s in enumerate(case.clean))
    before = np.stack(list(images)).astype(np.float32)
    given = replace(case.given, sigma=case.given.absolute(noise.sigma))
    for name, model in models.items():
        after = case.clean if model is None else model(before, given)
        padding = np.zeros(before.shape, bool)
        part = safety.measure(zip(before, after, padding, strict=True), modality)
        parts = {"stack": part} if part else {}
        found = judged(safety.figures(parts, modality=modality, scale=given.scale), modality)
        print(f"{case.name[:24]:24} {spec:22} {name:18}", *cells(found, modality), flush=True)


def cells(found: dict[str, dict[str, float | str | None]], modality: str) -> Iterator[str]:
    """Each figure with the mark of its verdict."""
    for row in rows(modality):
        value, verdict = found[row.figure]["value"], found[row.figure]["verdict"]
        yield f"{'-' if value is None else format(value, '.3f'):>9}{MARKS[str(verdict)]}"


if __name__ == "__main__":
    main()
