"""Each figure of ``medclean evaluate`` beside another implementation, which shares no code with it.

    python tests/benchmarks/metrics.py [--image FILE.nii.gz]

Of a slice of an MR image (sample data if no other is named) with noise and a slight blur, of two
masks, of noise whose spectrum is known, and of figures of patients. Peers are scikit-image, SciPy,
SimpleITK and, where they are installed (``pip install --no-deps monai``), MONAI; else a formula, or
the steps of a paper written out with other functions. Ends with 1 if one differs by more than its
tolerance.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from math import exp, pi, sqrt
from pathlib import Path
from typing import Any, NamedTuple

import nibabel
import numpy as np
import SimpleITK as sitk  # noqa: N813 - as its own documents write it
from numpy.typing import NDArray
from scipy import integrate, ndimage, signal, special, stats
from skimage import metrics as skimage

from medclean.catalog import METRICS
from medclean.quality import overlap, statistics

SAMPLE = Path(__file__).parents[2] / "sample_data"
SPACING = (3.0, 0.9, 0.7)  # mm, of the masks
RNG = np.random.default_rng(12)

Array = NDArray[np.float64]


class Row(NamedTuple):
    """A figure, and what another implementation says."""

    figure: str
    ours: float
    peer: float
    source: str
    tolerance: float = 1e-6  # relative


def images(path: Path | None) -> tuple[Array, Array, float]:
    """A slice from 0 to 1, and a worse one."""
    if path is None:
        clean = 0.5 + 0.4 * np.tanh(2 * ndimage.gaussian_filter(RNG.normal(0, 8, (240, 230)), 6))
        clean[:30] = 0
    else:
        stack = np.asarray(nibabel.load(path).dataobj, float)
        clean = stack[..., stack.shape[2] // 2]
    peak = float(np.quantile(clean, 0.999))
    worse = ndimage.gaussian_filter(clean, 0.6) + RNG.normal(0, 0.03 * peak, clean.shape)
    return worse, clean, peak


def full_reference(x: Array, y: Array, peak: float) -> Iterator[Row]:
    """Against the reference."""

    def ours(spec: str) -> float:
        return float(METRICS.make(spec)(x, y, data_range=peak))

    psnr = skimage.peak_signal_noise_ratio(y, x, data_range=peak)
    yield Row("psnr", ours("psnr"), psnr, "scikit-image")
    yield Row("rmse", ours("rmse"), sqrt(skimage.mean_squared_error(y, x)), "scikit-image")
    nmse = skimage.normalized_root_mse(y, x, normalization="euclidean")
    yield Row("nmse", ours("nmse"), nmse, "scikit-image")
    yield Row("mae", ours("mae"), np.linalg.norm((x - y).ravel(), 1) / x.size, "NumPy, 1-norm")
    yield Row("bias", ours("bias"), np.mean(x) - np.mean(y), "difference of means")
    yield Row("ssim", ours("ssim"), _ssim(x, y, peak), "SciPy, 2-D windows, as the paper has it")
    plain = skimage.structural_similarity(y, x, data_range=2 * peak)
    yield Row("ssim:uniform,range=2", ours("ssim:window=uniform,range=2"), plain, "scikit-image")
    with suppress(ImportError):
        yield from _monai(x, y, peak, ours)
    yield Row("gmsd", ours("gmsd"), _gmsd(x / peak * 255, y / peak * 255), "its authors' steps")


def _monai(x: Array, y: Array, peak: float, ours: Callable[[str], float]) -> Iterator[Row]:
    import torch
    from monai.metrics import MultiScaleSSIMMetric, SSIMMetric

    one, other = (torch.from_numpy(image)[None, None] for image in (x, y))
    how: dict[str, Any] = {"spatial_dims": 2, "data_range": peak, "kernel_sigma": 1.5}
    yield Row(
        "ssim", ours("ssim"), float(SSIMMetric(**how, win_size=11)(one, other)), "MONAI", 1e-5
    )
    value = float(MultiScaleSSIMMetric(**how, kernel_size=11)(one, other))
    yield Row("ms-ssim", ours("ms-ssim"), value, "MONAI", 1e-4)


def _ssim(x: Array, y: Array, peak: float) -> float:
    line = signal.windows.gaussian(11, 1.5)
    window = np.outer(line, line) / line.sum() ** 2
    mx, my, xx, yy, xy = (
        signal.convolve2d(a, window, "valid") for a in (x, y, x * x, y * y, x * y)
    )
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    luminance = (2 * mx * my + c1) / (mx**2 + my**2 + c1)
    return float((luminance * (2 * (xy - mx * my) + c2) / (xx - mx**2 + yy - my**2 + c2)).mean())


def _gmsd(x: Array, y: Array) -> float:
    prewitt = np.array([[1, 0, -1]] * 3) / 3

    def steep(image: Array) -> Array:
        half = signal.convolve2d(image, np.full((2, 2), 0.25))[1:, 1:][::2, ::2]
        along, across = (signal.convolve2d(half, k, "same") for k in (prewitt, prewitt.T))
        return np.hypot(along, across)

    a, b = steep(x), steep(y)
    return float(np.std((2 * a * b + 170) / (a**2 + b**2 + 170), ddof=1))


def no_reference() -> Iterator[Row]:
    """Of noise and edges whose truth is a formula."""

    def ours(spec: str, image: Array, other: Array | None = None, **how: Any) -> float:
        return float(METRICS.make(spec)(image, other, **how))

    pixel, blur = 0.7, 0.8  # mm, pixels
    white = RNG.normal(0, 12, (8, 256, 256))
    grain = ndimage.gaussian_filter(white, (0, blur, blur), mode="wrap")
    yield Row("noise", ours("noise", 100 + white), 12, "sigma of what was drawn", 0.02)
    half = ours("noise-reduction", 100 + white / 2, 100 + white)
    yield Row("noise-reduction", half, 50, "half of the noise", 0.01)

    def power(f: float) -> float:
        return exp(-((2 * pi * f * pixel * blur) ** 2))

    nyquist = 0.5 / pixel
    total = integrate.quad(power, 0, nyquist)[0]
    mean = integrate.quad(lambda f: f * power(f), 0, nyquist)[0] / total
    found = ours("nps-frequency", grain, spacing=(pixel, pixel))
    yield Row("nps-frequency", found, mean, "transform of the blur", 0.05)
    metric: Any = METRICS.make("nps-frequency")
    from medclean.quality.metrics._base import Pair

    parts = [metric.parts(Pair(g, None, 1.0, (pixel, pixel)), [None])[0] for g in white]
    level = float(metric.curve(parts).power.mean())
    yield Row("its spectrum, 1 mm^2", level, 12**2 * pixel**2, "variance x pixel area", 0.02)
    _, density = signal.welch(white.reshape(-1, 256), 1 / pixel, "boxcar", detrend="constant")
    peer = float(density[2:-1].mean() / 2 * pixel)  # one-sided, and of one dimension
    yield Row("its spectrum, 1 mm^2", level, peer, "Welch's, of rows, in SciPy", 0.02)
    found = ours("whiteness", np.zeros_like(grain), grain)
    apart = np.array([(r, c) for r in range(3) for c in range(-2, 3) if r or c > 0])
    spectrum = np.abs(np.fft.fft2(grain)) ** 2
    products = np.fft.ifft2(spectrum).real.sum(axis=0)
    correlation = products[apart[:, 0], apart[:, 1]] / products[0, 0]
    yield Row("whiteness", found, 1 - sqrt((correlation**2).mean()), "Wiener and Khinchin", 0.02)
    rows, columns = np.mgrid[:160, :160] - 79.5
    for angle in (0.0, 0.4):
        edge = 50 + 100 * special.ndtr((rows * np.cos(angle) + columns * np.sin(angle)) / 2)
        slope = ours("edge-slope", edge, spacing=(pixel, pixel))
        expected = 1 / (sqrt(2 * pi) * 2 * pixel)
        yield Row(f"edge-slope at {angle} rad", slope, expected, "derivative of the blur", 0.05)
    image = np.where(columns < 0, 100.0, 130.0) + RNG.normal(0, 5, columns.shape)
    left = columns < 0
    one, two = stats.describe(image[left]), stats.describe(image[~left])
    peer = (two.mean - one.mean) / sqrt((one.variance + two.variance) / 2)
    yield Row("cnr", ours("cnr", image, mask=np.where(left, 1, 2)), peer, "SciPy")
    yield Row("snr", ours("snr", image, mask=left), one.mean / sqrt(one.variance), "SciPy")
    suv = METRICS.make("suv-max")(image, np.full_like(image, 100), mask=left)
    yield Row("suv-max", suv, one.minmax[1] - 100, "SciPy")
    suv = METRICS.make("suv-mean")(image, np.full_like(image, 100), mask=left)
    yield Row("suv-mean", suv, one.mean - 100, "SciPy")


def segmentations() -> Iterator[Row]:
    """Of two masks with voxels that are no cubes."""
    smooth = ndimage.gaussian_filter(RNG.standard_normal((14, 60, 70)), 5)
    one, other = smooth > 0, ndimage.shift(smooth, (1, 3, -2)) > 0.001
    ours = overlap.figures(one, other, spacing=SPACING)
    a, b = (sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (one, other))
    for image in (a, b):
        image.SetSpacing(SPACING[::-1])
    measures = sitk.LabelOverlapMeasuresImageFilter()
    measures.Execute(b, a)
    yield Row("dice", ours["dice"], measures.GetDiceCoefficient(), "SimpleITK")
    counts = [int(sitk.GetArrayViewFromImage(image).sum()) for image in (a, b)]
    volume = 100 * (counts[0] / counts[1] - 1)
    yield Row("volume-error", ours["volume-error"], volume, "SimpleITK, counted")
    distance = sitk.HausdorffDistanceImageFilter()
    distance.Execute(a, b)
    yield Row("hausdorff", ours["hausdorff"], distance.GetHausdorffDistance(), "SimpleITK", 1e-5)
    ways = [_to_surface(a, b), _to_surface(b, a)]
    far = max(float(np.percentile(way, 95)) for way in ways)
    yield Row("hausdorff-95", ours["hausdorff-95"], far, "SimpleITK's contours and distances", 1e-4)
    mean = float(np.concatenate(ways).mean())
    yield Row("surface-distance", ours["surface-distance"], mean, "SimpleITK, likewise", 1e-4)
    with suppress(ImportError):
        import torch
        from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

        both = [torch.from_numpy(mask)[None, None] for mask in (one, other)]
        for figure, percent in (("hausdorff", None), ("hausdorff-95", 95)):
            peer = compute_hausdorff_distance(
                *both, include_background=True, percentile=percent, spacing=list(SPACING)
            )
            yield Row(figure, ours[figure], float(peer), "MONAI", 1e-4)
        sums, count = 0.0, 0
        for (x, y), way in zip((both, both[::-1]), ways, strict=True):
            peer = compute_average_surface_distance(
                x, y, include_background=True, spacing=list(SPACING)
            )
            sums, count = sums + float(peer) * len(way), count + len(way)
        yield Row("surface-distance", ours["surface-distance"], sums / count, "MONAI", 1e-4)


def _to_surface(one: sitk.Image, other: sitk.Image) -> Array:
    """Distances of each surface voxel of a mask to the surface of another."""
    wide = [sitk.ConstantPad(image, [1] * 3, [1] * 3, 0) for image in (one, other)]
    edges = [sitk.BinaryContour(image, fullyConnected=False) for image in wide]
    away = sitk.SignedMaurerDistanceMap(edges[1], squaredDistance=False, useImageSpacing=True)
    found = np.abs(sitk.GetArrayFromImage(away)).astype(float)
    return found[sitk.GetArrayFromImage(edges[0]) > 0]


def over_patients() -> Iterator[Row]:
    """Of three methods and eleven patients."""
    patients = [(f"p{n}", "case") for n in range(11)]
    values = {m: 30 + s + RNG.normal(0, 1, 11) for m, s in {"a": 0, "b": 0.5, "c": 1}.items()}
    methods = {m: dict(zip(patients, v, strict=True)) for m, v in values.items()}
    found = {(d.one, d.other): d for d in statistics.differences(methods)}
    pair, difference = found["b", "a"], values["b"] - values["a"]
    t = stats.ttest_rel(values["b"], values["a"])
    yield Row("paired t", pair.t, t.pvalue, "SciPy")
    ranks = stats.rankdata(np.abs(difference))
    signs = np.array(np.meshgrid(*[[0, 1]] * 11)).reshape(11, -1).T
    sums, seen = signs @ ranks, ranks[difference > 0].sum()
    exact = min(1.0, 2 * min((sums >= seen).mean(), (sums <= seen).mean()))
    yield Row("Wilcoxon", pair.wilcoxon, exact, "all 2048 signs")
    yield Row("Cohen's d", pair.effect, t.statistic / sqrt(11), "t / sqrt(n)")
    width = 1.96 * float(np.std(difference, ddof=1))
    yield Row("Bland-Altman, upper", pair.above, float(difference.mean()) + width, "NumPy", 1e-4)
    order = stats.rankdata(np.stack([*values.values()]), axis=0).sum(axis=1)
    chi = 12 / (11 * 3 * 4) * (order**2).sum() - 3 * 11 * 4
    yield Row("Friedman", statistics.friedman(methods), stats.chi2.sf(chi, 2), "his formula")
    p = sorted(d.t for d in found.values())
    holm = max(min(1, (3 - k) * value) for k, value in enumerate(p[:2]))
    yield Row("Holm, second of three", sorted(d.t_holm for d in found.values())[1], holm, "formula")
    draws = stats.bootstrap((values["a"],), np.mean, method="percentile", rng=RNG)
    spread = statistics.spread([*values["a"]])
    yield Row("interval, low", spread.low, draws.confidence_interval.low, "SciPy", 0.002)
    yield Row("interval, high", spread.high, draws.confidence_interval.high, "SciPy", 0.002)


def main(image: Path | None) -> int:
    """Print the table; 1 if a figure is not that of its peer."""
    rows = [*full_reference(*images(image)), *no_reference(), *segmentations(), *over_patients()]
    print(f"{'figure':24} {'medclean':>14} {'peer':>14} {'apart':>9} {'of':>7}  peer is")
    wrong = 0
    for row in rows:
        apart = abs(row.ours - row.peer) / max(abs(row.peer), 1e-12)
        bad = not apart <= row.tolerance
        wrong += bad
        flag = "  <- differs" if bad else ""
        print(
            f"{row.figure:24} {row.ours:14.7g} {row.peer:14.7g} {apart:9.1e} {row.tolerance:7.0e}"
            f"  {row.source}{flag}"
        )
    return int(wrong > 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--image", type=Path, help="NIfTI file, whose middle slice is taken")
    sys.exit(main(parser.parse_args().image))
