"""Noise and its spectrum at 10, 55 and 100 % dose, by ``medclean evaluate`` and by true repeats.

    python tests/benchmarks/dose_phantom.py --data ../shared/data [--maps DIR]

The phantom of DIDSR/LCD_CT (CC0): ten scans a dose, filtered back-projection. What ten scans of the
same thing say needs no assumption: the standard deviation of a pixel over the scans, and the power
of each scan less their mean. The program is told that mean as the reference, except for ``noise``,
which looks at each scan alone. Frequencies are in cycles a pixel.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

FILE = "ct/ct_phantom_lcd_fbp_dose010_055_100.npz"
WATER = 1000  # what the file adds to HU
RADIUS = 95  # pixels: inside the phantom
SIDE = 64  # of the squares of which the peer takes spectra

Array = NDArray[np.float64]


def main(data: Path, maps: Path | None) -> None:
    """Print the table."""
    stacks = np.load(data / FILE)
    doses = {name[4:7]: stacks[name] - float(WATER) for name in stacks if name.endswith("absent")}
    rows, columns = np.mgrid[:256, :256] - 128
    inside = np.hypot(rows, columns) < RADIUS
    with tempfile.TemporaryDirectory() as folder:
        found = evaluated(Path(folder), doses, inside, maps)
    print(
        "dose  noise, HU: repeats  medclean, scan alone   rmse of mean   NPS mean, 1/pixel: "
        "repeats  medclean"
    )
    first = None
    for dose, scans in doses.items():
        deviation = float(np.sqrt(scans.var(axis=0, ddof=1)[inside].mean()))
        mean = spectrum_mean(scans)
        rmse = found[dose, "rmse"] * np.sqrt(10 / 9)  # the reference has a tenth of each scan
        first = first or (dose, deviation)
        print(
            f"{int(dose):3} %             {deviation:8.2f}  {found[dose, 'noise']:20.2f}  "
            f"{rmse:13.2f}   {mean:26.4f}  {found[dose, 'nps-frequency']:8.4f}"
        )
        expected = first[1] * np.sqrt(int(first[0]) / int(dose))
        print(f"{'':18}{expected:8.2f}  if quanta alone made it")


def evaluated(
    folder: Path, doses: dict[str, Array], inside: NDArray[np.bool_], maps: Path | None
) -> dict[tuple[str, str], float]:
    """Figures in the phantom by dose and metric."""
    for dose, scans in doses.items():
        mean = np.repeat(scans.mean(axis=0, keepdims=True), len(scans), axis=0)
        mask = np.repeat(inside[None], len(scans), axis=0)
        for kind, stack in (("mean", mean), ("scans", scans), ("mask", mask)):
            (folder / kind).mkdir(exist_ok=True)
            image = nibabel.Nifti1Image(stack.T.astype(np.float32), np.eye(4))
            image.to_filename(folder / kind / f"dose{dose}.nii.gz")
    command: list[Any] = [sys.executable, "-m", "medclean", "evaluate", folder / "mean"]
    command += [folder / "scans", "--mask", folder / "mask", "--modality", "CT", "--match", "name"]
    command += ["--metrics", "rmse,noise,nps-frequency", "--patient", r"dose(\d+)", "--json"]
    command += ["--maps", maps] if maps else []
    told = subprocess.run([*map(str, command)], check=True, stdout=subprocess.PIPE, text=True)
    content = json.loads(told.stdout)
    names = {row["case"] for row in content["rows"]}
    by_case = dict(zip(sorted(names), doses, strict=True))  # numbered in the order of paths
    return {
        (by_case[row["case"]], row["metric"]): row["value"]
        for row in content["rows"]
        if row["region"] == "mask"
    }


def spectrum_mean(scans: Array) -> float:
    """Mean frequency of what the scans have each for themselves, from squares side by side."""
    noise = scans - scans.mean(axis=0)
    corners = range(128 - SIDE, 128, SIDE)
    squares = np.stack(
        [noise[:, r : r + SIDE, c : c + SIDE] for r in corners for c in corners]
    ).reshape(-1, SIDE, SIDE)
    power = (np.abs(np.fft.fft2(squares)) ** 2).mean(axis=0)
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    bins = np.rint(f * SIDE).astype(int).ravel()
    radial = (np.bincount(bins, power.ravel()) / np.bincount(bins))[: SIDE // 2 + 1]
    frequency = np.arange(SIDE // 2 + 1) / SIDE
    return float(np.trapezoid(frequency * radial, frequency) / np.trapezoid(radial, frequency))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with ct/")
    parser.add_argument("--maps", type=Path, help="folder for the curves")
    options = parser.parse_args()
    main(options.data, options.maps)
