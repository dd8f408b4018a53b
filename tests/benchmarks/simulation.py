"""What simulated noise and masks measure, beside what was asked for and beside a real scanner.

    python tests/benchmarks/simulation.py --data ../shared/data -o DIR

Prints three tables and writes two pictures into DIR:

- standard deviation that noises add within the body of a real MR and a real CT slice;
- share of k-space that masks sample, of a slice and of a volume;
- noise of the dose phantom (10 repeats at 10, 55 and 100 % of the dose, DIDSR/LCD_CT) beside what
  low-dose makes of its images at 100 %: level in two rings, and spectrum beside white noise; with
  the usual kernel, and with the one whose noise has the mean frequency of the 100 % images.
"""

import argparse
from collections.abc import Iterator
from math import sqrt
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from matplotlib.figure import Figure

from medclean.catalog import MASKS, NOISES
from medclean.physics.signal.body import body_mask
from medclean.quality.metrics._spectrum import Spectrum, flat_power, flat_squares, spectrum
from medclean.volume import CT_SCALE, Given, Image, scale_of

MR, CT = "mr/mr_brain_t1w_openms_patient12_study1.nii.gz", "ct/ct_abdomen_philips_fnndsc.nii.gz"
PHANTOM = "ct/ct_phantom_lcd_fbp_dose010_055_100.npz"
DIAMETER, OFFSET = 200.0, 1000  # mm of the phantom; what its file adds to HU
LEVELS = {"gaussian": (0.05, 0.1, 0.15, 0.2, 0.3), "rician": (0.05, 0.1, 0.15, 0.2, 0.25, 0.3)}
OTHERS = {"gaussian-map": (0.05, 0.3), "chi": (0.05, 0.3)}
RATIOS = (0.01, 0.05, 0.1, 0.25, 0.5, 0.9)
CUTOFFS = np.arange(0.6, 2.45, 0.1)  # of kernels that are tried
SHAPES = ((256, 256), (320, 230), (24, 128, 128))


def main() -> None:
    """Print the tables, draw the pictures."""
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    _sigmas(options.data)
    _ratios()
    _phantom(options.data / PHANTOM, options.out)


def _sigmas(data: Path) -> None:
    print("noise          modality  asked    measured  of it")
    for path, modality, unit in ((MR, "MR", "au"), (CT, "CT", "HU")):
        volume = np.asarray(nibabel.load(data / path).dataobj, np.float32).T
        scale = CT_SCALE if modality == "CT" else scale_of(volume, modality)
        image, given = volume[len(volume) // 2], Given(unit, scale, (1.0, 1.0, 1.0), modality)
        for name, level in _levels(modality):
            sigma = level * scale
            found = _added(f"{name}:sigma={level}", image, given)
            row = f"{name:14} {modality:9} {sigma:<8.4g} {found:<9.4g} {found / sigma:.3f}"
            print(row)
    print()


def _levels(modality: str) -> Iterator[tuple[str, float]]:
    for name, levels in (LEVELS | OTHERS).items():
        if modality in NOISES.make(name).fits.split():
            yield from ((name, level) for level in levels)


def _added(spec: str, image: Image, given: Given) -> float:
    """Sigma from many draws; magnitudes by the second moment: E y^2 = x^2 + 2 n sigma^2."""
    body, draws = body_mask(image, given.modality), 8
    noise = NOISES.make(spec)
    noisy = np.stack([noise(image, np.random.default_rng(k), given) for k in range(draws)])
    noisy, clean = noisy[:, body].astype(float), image[body].astype(float)
    if spec.startswith(("rician", "chi")):
        coils = getattr(noise, "coils", 1)
        return sqrt((np.square(noisy) - np.square(clean)).mean() / (2 * coils))
    return float((noisy - clean).std())


def _ratios() -> None:
    print("mask               " + "".join(f"{s!s:>19}" for s in SHAPES))
    for name in MASKS:
        for ratio in RATIOS:
            cells = []
            for shape in SHAPES:
                try:
                    mask = MASKS.make(f"{name}:ratio={ratio}")(shape, np.random.default_rng(0))
                    cells.append(f"{mask.mean():.4f}")
                except ValueError as error:
                    cells.append(str(error)[:18])
            print(f"{name:18} {ratio:<5}" + "".join(f"{cell:>17}  " for cell in cells))
    print()


def _phantom(path: Path, out: Path) -> None:
    """Repeats differ in their noise alone; ours are made of each of those at full dose."""
    with np.load(path) as file:
        doses = {d: file[f"dose{d:03}_absent"].astype(np.float32) - OFFSET for d in (10, 55, 100)}
    full = doses[100]
    y, x = np.mgrid[: full.shape[1], : full.shape[2]]
    mean = full.mean(0)
    inside = mean > -500
    pixel = DIAMETER / (2 * sqrt(inside.sum() / np.pi))
    radius = np.hypot(y - y[inside].mean(), x - x[inside].mean()) * pixel
    rings = {"middle": radius < 40, "rim": (radius > 55) & (radius < 85)}
    level = float(np.median(full.std(0, ddof=1)[radius < 90]))
    given = Given("HU", CT_SCALE, (1.0, pixel, pixel), "CT", sigma=level)
    print(f"dose phantom, pixel {pixel:.3f} mm; standard deviation in HU, frequency in 1/mm")
    body = radius < 85

    def curve_of(images: Image) -> tuple[Image, Spectrum]:
        noise = (images - images.mean(0)) * sqrt(len(images) / (len(images) - 1))
        return noise, _spectrum(noise, mean, body, pixel)

    wanted = curve_of(full)[1].mean_frequency

    def miss(cutoff: float) -> float:
        added = np.stack([_low(mean, k, 0.5, given, cutoff) - mean for k in range(3)])
        return abs(_spectrum(added, mean, body, pixel).mean_frequency - wanted)

    cutoff = float(min(CUTOFFS, key=miss))
    own = f"cutoff={cutoff:.1f}"
    print("dose  noise         middle  rim    mean frequency")
    curves: dict[int, dict[str, Spectrum]] = {}
    for dose in (10, 55):
        ours, alike = (
            np.stack([_low(image, k, dose / 100, given, at) for k, image in enumerate(full)])
            for at in (1.0, cutoff)
        )
        rng = np.random.default_rng(0)
        extra = level * sqrt(100 / dose - 1)
        white = full + rng.normal(0, extra, full.shape).astype(np.float32)
        curves[dose] = {}
        kinds = {"scanner": doses[dose], "low-dose": ours, own: alike, "white": white}
        for name, images in kinds.items():
            noise, curve = curve_of(images)
            curves[dose][name] = curve
            levels = [float(noise[:, ring].std()) for ring in rings.values()]
            cells = "  ".join(f"{sigma:5.1f}" for sigma in levels)
            print(f"{dose:3} %  {name:12} {cells}  {curve.mean_frequency:.4f}")
        _pictures(kinds, out / f"dose-phantom-{dose:03}.png")
    _draw(curves, out / "dose-phantom-spectra.png")


def _low(image: Image, seed: int, dose: float, given: Given, cutoff: float) -> Image:
    noise = NOISES.make(f"low-dose:dose={dose},cutoff={cutoff:.2f}")
    noisy: Image = noise(image, np.random.default_rng(seed), given)
    return noisy


def _spectrum(noise: Image, guide: Image, body: Any, pixel: float) -> Spectrum:
    squares = flat_squares(guide, body)
    found = [flat_power(image, squares, (pixel, pixel)) for image in noise]
    return spectrum([part for part in found if part])


def _pictures(kinds: dict[str, Image], path: Path) -> None:
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    for number, (name, images) in enumerate(kinds.items(), 1):
        axes = figure.add_subplot(1, len(kinds), number)
        axes.imshow(images[0], cmap="gray", vmin=-200, vmax=200)
        axes.set(title=name, xticks=[], yticks=[])
    figure.savefig(path, dpi=110)


def _draw(curves: dict[int, dict[str, Spectrum]], path: Path) -> None:
    figure = Figure(figsize=(10, 4), layout="constrained")
    for number, (dose, found) in enumerate(curves.items(), 1):
        axes = figure.add_subplot(1, len(curves), number)
        for name, curve in found.items():
            axes.plot(curve.frequency, curve.power, label=name)
        axes.set(xlabel="1/mm", ylabel="NPS in HU² mm²", title=f"{dose} % of the dose")
        axes.set(xlim=(0, None), ylim=(0, None))
        axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Simulated noise and masks, measured.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("-o", "--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
