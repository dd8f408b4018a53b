"""Denoisers compared by the commands that users run: add-noise, denoise, evaluate.

    python tests/benchmarks/comparison.py --data ../shared/data [--slices 2] [--out DIR]

On MR of the patients that ``dgan-mr`` has not seen, with Gaussian and with Rician noise, and on CT
at a quarter of its dose (simulated in the projections): the tables of ``medclean evaluate``, with
95 % intervals over patients, paired tests after Holm and limits of agreement. The program measures
the noise by itself; of Rician noise those models are told that can be. ``dgan`` has no weights for
CT. ``bm3d`` is an extra with a non-commercial licence. Only some slices of each series are taken.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import dgan_mr
import nibabel
import numpy as np

MODELS = ("identity", "gaussian", "nlm", "bm3d", "dgan")
TOLD = ("nlm", "bm3d")  # which noise it is
CT = {  # of the patients of the volumes; dicom/ct_axial_singles has five more
    "abdomen": "ct_abdomen_philips_fnndsc",
    "chest": "ct_chest_philips_lungdx0001_L",
    "heart": "ct_heart_totalseg_cropped",
}
METRICS = "psnr,ssim,rmse,gmsd,edge-slope,nps-frequency,noise-reduction"
FIELDS = 120  # columns of the terminal


def main(options: argparse.Namespace) -> None:
    """Print a table for each kind of noise."""
    with tempfile.TemporaryDirectory() as made:
        work = Path(options.out or made)
        mr, ct = work / "mr" / "clean", work / "ct" / "clean"
        held_out(options.data, mr, options.slices)
        volumes(options.data, ct, options.slices)
        for noise in ("gaussian", "rician"):
            models = {
                model: f"{model}:noise={noise}" if model in TOLD else model for model in MODELS
            }
            compare(mr, work / "mr" / noise, f"{noise}:sigma={options.sigma:g}", models)
        models = {model: model for model in MODELS if model != "dgan"}
        compare(ct, work / "ct" / "quarter", "low-dose:dose=0.25", models)


def held_out(data: Path, out: Path, slices: int) -> None:
    """MR of the test persons of ``dgan_mr``."""
    with tempfile.TemporaryDirectory() as made:
        dgan_mr.main(data, Path(made))
        for person in sorted(dgan_mr.TEST):
            for path in sorted((Path(made) / f"sub-{person}").rglob("*.nii.gz")):
                some(path, out / f"sub-{person}" / path.name, slices, "MR")


def volumes(data: Path, out: Path, slices: int) -> None:
    """CT of three patients with volumes, and of those with single slices."""
    for person, name in CT.items():
        path = data / "ct" / f"{name}.nii.gz"
        some(path, out / f"sub-{person}" / path.name, slices, "CT")
    shutil.copytree(data / "dicom" / "ct_axial_singles", out / "singles", dirs_exist_ok=True)


def some(path: Path, to: Path, slices: int, modality: str) -> None:
    """Slices from the middle half of a volume, evenly apart, as a file of their own."""
    image: Any = nibabel.load(path)
    count = image.shape[2]
    places = np.unique(np.linspace(count // 4, 3 * count // 4, slices).round().astype(int))
    to.parent.mkdir(parents=True, exist_ok=True)
    stored = np.asarray(image.dataobj)[..., places]
    nibabel.Nifti1Image(stored, image.affine).to_filename(to)
    sidecar = to.with_name(to.name.replace(".nii.gz", ".json"))
    sidecar.write_text(json.dumps({"Modality": modality}))


def compare(clean: Path, work: Path, noise: str, models: dict[str, str]) -> None:
    """The noise, all models, and their table."""
    noisy = work / "noisy"
    medclean("add-noise", clean, "-o", noisy, "--noise", noise, "--seed", 1)
    results = []
    for name, spec in models.items():
        results.append(work / name)
        medclean("denoise", noisy, "-o", work / name, "--model", spec, "--include", "own")
    print(f"\n== {noise} ==", flush=True)
    scores = work / "scores.csv"
    medclean("evaluate", clean, *results, "--noisy", noisy, "--metrics", METRICS, "-o", scores)


def medclean(*words: object) -> None:
    """Run a command; its tables alone are shown."""
    told = subprocess.run(
        [sys.executable, "-m", "medclean", *map(str, words)],
        check=True,
        stdout=None if words[0] == "evaluate" else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": str(FIELDS)},
    )
    sys.stderr.writelines(
        f"{line}\n" for line in told.stderr.splitlines() if line.startswith("warning")
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with mr/, cine/ and ct/")
    parser.add_argument("--slices", type=int, default=2, help="of each series")
    parser.add_argument("--sigma", type=float, default=0.1, help="of MR's noise, share of scale")
    parser.add_argument("--out", type=Path, help="folder to keep everything in")
    main(parser.parse_args())
