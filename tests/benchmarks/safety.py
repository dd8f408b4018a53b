"""Safety figures of good and bad denoisers on real images with known noise.

What the limits in ``medclean/quality/limits.py`` call measured. White noise in CT, Gaussian and
Rician noise in MR, four slices a volume; ``truth`` is the image without that noise. After the
models comes the truth with one thing wrong: shifted by 8 HU (4 % of scale in MR), by 50 HU (5 %)
up and down from slice to slice, by a ramp from -50 to 50 HU, one slice overwritten, a lesion erased
that was 8 pixels across and stood out by 2 or 3 times the noise::

    python tests/benchmarks/safety.py --data ../shared/data

A figure that is not green is marked: ``~`` amber, ``!`` red. The tables at the end have the range
of each figure, and how many of the volumes are amber and red.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import nibabel
import numpy as np
import torch
from scipy import ndimage

from medclean.catalog import NOISES
from medclean.inference.denoiser import Denoiser
from medclean.inference.engine import Engine
from medclean.inference.ladder import Rung
from medclean.physics.signal.body import body_mask
from medclean.physics.signal.noise_level import noise_level
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
    "MR": ("identity", "dgan", "nlm", "median", "gaussian", "gaussian:sigma=2"),
    "CT": ("identity", "nlm", "median", "gaussian", "gaussian:sigma=2"),
}
SHIFT = {"MR": 0.04, "CT": 8 / CT_SCALE}  # of scale
SWING = {"MR": 0.05, "CT": 50 / CT_SCALE}
ACROSS = 8  # pixels: a lesion's diameter
INSIDE = 12  # pixels from a lesion to the border of the body, at least
MARKS = {"green": " ", "amber": "~", "red": "!"}

Found: TypeAlias = dict[str, Any]
"""As ``limits.judged`` gives it."""


class Case(NamedTuple):
    """A volume's slices and what is known about them."""

    name: str
    clean: Image
    given: Given


class Trial(NamedTuple):
    """What is measured: a method by name, before and after it."""

    method: str
    before: Image
    after: Image


def main() -> None:
    """Print a line for each volume, noise and method, then one for each method."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--slices", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(2)
    for modality, specs in NOISE.items():
        models = {name: model_of(name, modality) for name in MODELS[modality]}
        heading = " ".join(f"{row.figure:>10}" for row in rows(modality))
        print(f"{'image':24} {'noise':22} {'method':18} {heading}")
        told: dict[str, list[Found]] = {}
        for case in cases(options.data, modality, options.slices):
            for spec in specs:
                for trial in trials(case, spec, models):
                    found = figures_of(trial, case.given)
                    told.setdefault(trial.method, []).append(found)
                    line = f"{case.name[:24]:24} {spec:22} {trial.method:18}"
                    print(line, *cells(found, modality), flush=True)
        summary(told, modality)


def cases(data: Path, modality: str, slices: int) -> Iterator[Case]:
    """The volumes, of each some slices from its middle."""
    for name in FILES[modality]:
        file = nibabel.load(data / modality.lower() / f"{name}.nii.gz")
        volume = np.asarray(file.dataobj, np.float32)
        volume = np.moveaxis(volume, 0 if name in SAGITTAL else 2, 0)
        places = np.linspace(0.3 * len(volume), 0.7 * len(volume), slices).astype(int)
        scale = CT_SCALE if modality == "CT" else float(np.percentile(volume, 99.9))
        yield Case(name, volume[places], Given(UNITS[modality], scale, (1, 1, 1), modality))


def model_of(name: str, modality: str) -> Callable[[Image, Given], Image]:
    """What denoises a stack."""
    denoiser = Denoiser.of(name)
    normaliser = denoiser.normaliser(modality)
    engine = Engine.on(Rung("cpu", 1), denoiser.model(modality), normaliser=normaliser)
    return lambda images, given: engine.denoise(images[:, None], given)


def trials(
    case: Case, spec: str, models: dict[str, Callable[[Image, Given], Image]]
) -> Iterator[Trial]:
    """The truth, each model, and the truth with one thing wrong, for one volume under one noise."""
    noise, given, clean = NOISES.make(spec), case.given, case.clean
    images = (noise(s, np.random.default_rng(n), given) for n, s in enumerate(clean))
    before = np.stack(list(images)).astype(np.float32)
    yield Trial("truth", before, clean)
    told = replace(given, sigma=given.absolute(noise.sigma))
    for name, model in models.items():
        yield Trial(name, before, model(before, told))
    shift, swing = (of[given.modality] * given.scale for of in (SHIFT, SWING))
    turns = np.where(np.arange(len(clean)) % 2, -1, 1)[:, None, None]
    slopes = np.linspace(-1, 1, clean.shape[2])
    for name, wrong in (
        ("shift", clean + shift),
        ("up and down", clean + swing * turns),
        ("ramp", clean + swing * slopes),
        ("slice of one value", np.concatenate([clean[:-1], np.full_like(clean[:1], clean.mean())])),
        ("slice of another", np.concatenate([clean[:-1], clean[:1]])),
    ):
        yield Trial(name, before, wrong.astype(np.float32))
    sigma = noise_level(before[0])
    for height in (2, 3):
        sick = before.copy()
        sick[0] += height * sigma * lesion(clean[0], given.modality)
        yield Trial(f"lesion of {height} sigma", sick, clean)


def lesion(image: Image, modality: str) -> Image:
    """1 in a disk somewhere in the brighter half of the body, well inside, else 0."""
    smooth = ndimage.gaussian_filter(image, 2)
    body = body_mask(image, modality)
    deep = ndimage.binary_erosion(body, iterations=INSIDE)
    places = np.argwhere(deep & (smooth >= np.median(smooth[body])))
    row, column = places[np.random.default_rng(0).integers(len(places))]
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return (np.hypot(rows - row, columns - column) <= ACROSS / 2).astype(np.float32)


def figures_of(trial: Trial, given: Given) -> Found:
    """The figures of a trial, judged."""
    padding = np.zeros(trial.before.shape, bool)
    part = safety.measure(zip(trial.before, trial.after, padding, strict=True), given.modality)
    parts = {"stack": part} if part else {}
    figures = safety.figures(parts, modality=given.modality, scale=given.scale)
    return judged(figures, given.modality)


def cells(found: Found, modality: str) -> Iterator[str]:
    """Each figure with the mark of its verdict."""
    for row in rows(modality):
        value, verdict = found[row.figure]["value"], found[row.figure]["verdict"]
        yield f"{'-' if value is None else format(value, '.3f'):>9}{MARKS[verdict]}"


def summary(told: dict[str, list[Found]], modality: str) -> None:
    """Of each method the range of each figure, and how often it is amber and red."""
    wide = 22
    print(f"\n{modality}{'':16}", *(f"{row.figure:{wide}}" for row in rows(modality)), "worst")
    for method, found in told.items():
        line = [f"{method:18}"]
        for row in rows(modality):
            values = [v for one in found if (v := one[row.figure]["value"]) is not None]
            span = f"{min(values):.2f} to {max(values):.2f}" if values else "-"
            line.append(f"{span + marked(one[row.figure] for one in found):{wide}}")
        print(*line, marked(found) or " green")
    print()


def marked(found: Iterable[Found]) -> str:
    """How many are amber and red: `` 2~ 1!``."""
    count = Counter(one["verdict"] for one in found)
    return "".join(f" {count[v]}{MARKS[v]}" for v in ("amber", "red") if count[v])


if __name__ == "__main__":
    main()
