"""Metrics: each against another implementation, a formula or a published property."""

from itertools import product
from math import inf, isinf, isnan, nan, pi, sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import ndimage, signal, special
from scipy.spatial.distance import cdist
from skimage import metrics as peer

from medclean.catalog import METRICS
from medclean.errors import DataError, UsageError
from medclean.physics.signal.noise_level import noise_level
from medclean.quality import overlap
from medclean.quality.metrics._base import Pair
from medclean.quality.metrics.whiteness import NEIGHBOURS
from medclean.quality.papers import PAPERS, convention

RNG = np.random.default_rng(5)
RANGE = 1000.0
REFERENCE = np.stack(
    [
        500 + 400 * np.tanh(2 * s / s.std())
        for s in (ndimage.gaussian_filter(RNG.standard_normal((200, 190)), 6) for _ in range(2))
    ]
)
RESULT = REFERENCE + 40 * RNG.standard_normal(REFERENCE.shape) + 5
MASK = np.zeros(REFERENCE.shape, bool)
MASK[:, 40:160, 50:150] = True
COMPARING = [name for name in METRICS if METRICS.entry(name).facts.get("needs_reference")]


def of(spec, result=RESULT, reference=REFERENCE, **how):
    return METRICS.make(spec)(result, reference, **{"data_range": RANGE, **how})


@pytest.mark.parametrize("name", list(METRICS))
def test_a_metric_states_its_facts(name):
    entry, metric = METRICS.entry(name), METRICS.make(name)
    assert metric.better in ("higher", "lower", "zero", "same")
    assert {"better", "unit", "needs_reference"} <= entry.facts.keys()
    assert entry.summary
    assert type(metric).__doc__


@pytest.mark.parametrize("name", list(METRICS))
def test_nan_is_refused_and_a_mask_without_voxels_is_a_gap(name):
    broken = RESULT.copy()
    broken[1, 3, 4] = nan
    with pytest.raises(DataError, match="NaN"):
        of(name, broken, mask=MASK)
    if METRICS.make(name).regions != "image window":
        assert isnan(of(name, mask=np.zeros_like(MASK)))


@pytest.mark.parametrize("name", COMPARING)
def test_equal_images_are_the_best_there_is(name):
    metric, mask = METRICS.make(name), MASK if "mask" in METRICS.make(name).regions else None
    best = metric(REFERENCE, REFERENCE, data_range=RANGE, mask=mask)
    worse = metric(RESULT, REFERENCE, data_range=RANGE, mask=mask)
    assert best == pytest.approx({"higher": inf if name == "psnr" else 1}.get(metric.better, 0))
    assert worse < best if metric.better == "higher" else abs(worse) > abs(best)


@pytest.mark.parametrize("name", [n for n in COMPARING if "suv" not in n])
def test_constant_images_give_numbers(name):
    flat, other = np.full((2, 180, 180), 7.0), np.full((2, 180, 180), 9.0)
    assert not isnan(of(name, flat, flat))
    assert not isnan(of(name, flat, other))


@pytest.mark.parametrize("name", COMPARING)
def test_different_shapes_are_refused(name):
    with pytest.raises(DataError, match="expected one shape"):
        of(name, RESULT, REFERENCE[:, :-1])


def test_psnr_and_the_like_are_those_of_scikit_image():
    assert of("psnr") == pytest.approx(
        peer.peak_signal_noise_ratio(REFERENCE, RESULT, data_range=RANGE)
    )
    assert of("rmse") == pytest.approx(sqrt(peer.mean_squared_error(REFERENCE, RESULT)))
    root = peer.normalized_root_mse(REFERENCE, RESULT, normalization="euclidean")
    assert of("nmse") == pytest.approx(root)
    assert of("mae") == pytest.approx(np.abs(RESULT - REFERENCE).mean())
    assert of("bias") == pytest.approx((RESULT - REFERENCE).mean())
    inside = peer.mean_squared_error(REFERENCE[MASK], RESULT[MASK])
    assert of("rmse", mask=MASK) == pytest.approx(sqrt(inside))


def test_psnr_of_noise_follows_its_sigma():
    noise = RNG.normal(0, 0.1, (4, 256, 256)).astype(np.float32)
    assert of("psnr", noise, np.zeros_like(noise), data_range=1.0) == pytest.approx(20, abs=0.05)
    assert isinf(of("psnr", noise, noise))


def test_ssim_is_that_of_scikit_image():
    how = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    found = [
        peer.structural_similarity(y, x, data_range=RANGE, **how)
        for x, y in zip(RESULT, REFERENCE, strict=True)
    ]
    assert of("ssim") == pytest.approx(np.mean(found), abs=1e-12)
    plain = [
        peer.structural_similarity(y, x, data_range=2 * RANGE)
        for x, y in zip(RESULT, REFERENCE, strict=True)
    ]
    assert of("ssim:window=uniform,range=2") == pytest.approx(np.mean(plain), abs=1e-12)
    assert np.mean(plain) > np.mean(found)  # the inflation that some papers' tables have


def test_ssim_in_a_mask_is_the_mean_of_the_map_there():
    _, seen = peer.structural_similarity(
        REFERENCE[0],
        RESULT[0],
        data_range=RANGE,
        gaussian_weights=True,
        use_sample_covariance=False,
        full=True,
    )
    found = of("ssim", RESULT[0], REFERENCE[0], mask=MASK[0])
    assert found == pytest.approx(seen[MASK[0]].mean())


def window_of(width=11, sigma=1.5):
    line = signal.windows.gaussian(width, sigma)
    return np.outer(line, line) / line.sum() ** 2


def ms_ssim(x, y, data_range):
    """Written from the paper, with two-dimensional convolutions."""
    value, (c1, c2) = 1.0, ((k * data_range) ** 2 for k in (0.01, 0.03))
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mx, my, xx, yy, xy = (
            signal.convolve2d(a, window_of(), "valid") for a in (x, y, x * x, y * y, x * y)
        )
        cs = (2 * (xy - mx * my) + c2) / (xx - mx**2 + yy - my**2 + c2)
        luminance = (2 * mx * my + c1) / (mx**2 + my**2 + c1)
        value *= np.mean(cs * luminance if scale == 4 else cs) ** weight
        x, y = (signal.convolve2d(a, np.full((2, 2), 0.25), "valid")[::2, ::2] for a in (x, y))
    return value


def test_ms_ssim_is_that_of_its_paper():
    pairs = list(zip(RESULT, REFERENCE, strict=True))
    assert of("ms-ssim") == pytest.approx(np.mean([ms_ssim(x, y, RANGE) for x, y in pairs]))
    assert isnan(of("ms-ssim", RESULT[:, :175, :175], REFERENCE[:, :175, :175]))
    assert not isnan(of("ms-ssim", RESULT[:, :176, :176], REFERENCE[:, :176, :176]))


def test_ssim_and_ms_ssim_are_those_of_monai():
    torch, monai = pytest.importorskip("torch"), pytest.importorskip("monai.metrics")
    one, two = (torch.from_numpy(stack)[:, None] for stack in (RESULT, REFERENCE))
    how = {"spatial_dims": 2, "data_range": RANGE, "kernel_sigma": 1.5}
    found = monai.SSIMMetric(win_size=11, **how)(one, two)
    assert of("ssim") == pytest.approx(float(found.mean()), abs=1e-4)
    found = monai.MultiScaleSSIMMetric(kernel_size=11, **how)(one, two)
    assert of("ms-ssim") == pytest.approx(float(found.mean()), abs=1e-4)


def gmsd(x, y):
    """Written from the authors' MATLAB code, for images from 0 to 255."""
    prewitt = np.array([[1, 0, -1]] * 3) / 3

    def steep(image):
        half = signal.convolve2d(image, np.full((2, 2), 0.25))[1:, 1:][::2, ::2]
        along, across = (signal.convolve2d(half, k, "same") for k in (prewitt, prewitt.T))
        return np.sqrt(along**2 + across**2)

    a, b = steep(x), steep(y)
    return np.std((2 * a * b + 170) / (a**2 + b**2 + 170), ddof=1)


@pytest.mark.parametrize("shape", [(200, 190), (131, 77)])
def test_gmsd_is_that_of_its_authors(shape):
    rows, columns = shape
    x, y = (image[0, :rows, :columns] * 255 / RANGE for image in (RESULT, REFERENCE))
    assert of("gmsd", x, y, data_range=255) == pytest.approx(gmsd(x, y))
    assert of("gmsd", x * 7, y * 7, data_range=255 * 7) == pytest.approx(gmsd(x, y))


def test_noise_and_how_much_of_it_is_gone():
    even = RNG.normal(100, 8, (3, 128, 128))
    half = 100 + (even - 100) / 2
    assert of("noise", even, None) == pytest.approx(8, rel=0.05)
    assert of("noise", even, None) == np.median([noise_level(image) for image in even])
    assert of("noise-reduction", half, even) == pytest.approx(50, abs=0.1)
    assert isnan(of("noise-reduction", even, np.full_like(even, 100)))


def test_snr_and_cnr_are_those_of_their_regions():
    image = RNG.normal(100, 5, (2, 64, 64))
    image[:, 32:] += 30
    one, two = image[:, :32], image[:, 32:]
    left = np.zeros(image.shape, bool)
    left[:, :32] = True
    assert of("snr", image, None, mask=left) == pytest.approx(one.mean() / one.std(ddof=1))
    noise = sqrt((one.var(ddof=1) + two.var(ddof=1)) / 2)
    both = np.where(left, 1, 2)
    assert of("cnr", image, None, mask=both) == pytest.approx((two.mean() - one.mean()) / noise)
    assert isnan(of("cnr", np.zeros_like(image), None, mask=both))
    assert isnan(of("cnr", image, None, mask=np.where(left, 1, 0)))
    assert isnan(of("snr", np.full_like(image, 0.1), None, mask=left))


@pytest.mark.parametrize("spacing", [0.5, 1.0])
def test_white_noise_has_half_of_nyquists_frequency(spacing):
    noise = RNG.normal(0, 3, (3, 256, 256))
    found = of("nps-frequency", noise, None, spacing=(spacing, spacing))
    assert found == pytest.approx(0.25 / spacing, rel=0.02)


def test_the_spectrum_of_blurred_noise_is_that_of_its_blur():
    sigma = 0.8  # pixels
    noise = RNG.normal(0, 3, (6, 256, 256))
    blurred = ndimage.gaussian_filter(noise, (0, sigma, sigma), mode="wrap")
    metric = METRICS.make("nps-frequency")
    parts = [metric.parts(Pair(image, None, 1.0), [None])[0] for image in blurred]
    found = metric.curve(parts)
    expected = 9 * np.exp(-((2 * pi * found.frequency * sigma) ** 2))
    assert_allclose(found.power, expected, atol=0.09 * 9)
    frequency = np.linspace(0, 0.5, 1000)
    power = np.exp(-((2 * pi * frequency * sigma) ** 2))
    mean = (frequency * power).sum() / power.sum()
    assert metric.whole(parts, 1.0) == pytest.approx(mean, rel=0.08)


def test_with_a_reference_anatomy_is_no_noise():
    reference = REFERENCE[0]
    noisy = reference + RNG.normal(0, 10, reference.shape)
    assert of("nps-frequency", noisy, reference) == pytest.approx(0.25, rel=0.03)
    assert of("nps-frequency", noisy, None) < 0.15
    assert isnan(of("nps-frequency", reference, reference))


def test_trends_are_no_noise():
    rows, columns = np.mgrid[:256, :256] / 256
    shaded = RNG.normal(0, 3, (256, 256)) + 50 * rows - 20 * columns**2
    assert of("nps-frequency", shaded, None) == pytest.approx(0.25, rel=0.03)


@pytest.mark.parametrize("sigma", [0.0, 0.7, 1.5])
def test_whiteness_follows_the_correlation_of_what_was_removed(sigma):
    removed = ndimage.gaussian_filter(RNG.normal(0, 3, (4, 256, 256)), (0, sigma, sigma))
    apart = np.array([row**2 + column**2 for row, column in NEIGHBOURS])
    correlation = np.exp(-apart / (4 * sigma**2)) if sigma else np.zeros(len(apart))
    expected = 1 - sqrt((correlation**2).mean())
    result = np.zeros_like(removed)
    assert of("whiteness", result, removed) == pytest.approx(expected, abs=0.015)
    inside = np.zeros(removed.shape, bool)
    inside[:, 30:200, 20:220] = True
    assert of("whiteness", result, removed, mask=inside) == pytest.approx(expected, abs=0.02)
    assert isnan(of("whiteness", removed, removed))


def edge(sigma, angle, size=160):
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    along = rows * np.cos(angle) + columns * np.sin(angle)
    return 50 + 100 * special.ndtr(along / sigma)


@pytest.mark.parametrize(("sigma", "angle"), [*product([1.0, 2.0], [0.0, 0.4, 1.3])])
def test_the_slope_of_an_edge_is_that_of_its_blur(sigma, angle):
    clean, spacing = edge(sigma, angle), (0.5, 0.5)
    expected = 1 / (sqrt(2 * pi) * sigma * 0.5)
    assert of("edge-slope", clean, None, spacing=spacing) == pytest.approx(expected, rel=0.06)
    noisy = clean + RNG.normal(0, 4, clean.shape)
    assert of("edge-slope", noisy, clean, spacing=spacing) == pytest.approx(expected, rel=0.08)
    faint = 20 + clean / 10
    assert of("edge-slope", faint, clean, spacing=spacing) == pytest.approx(expected, rel=0.06)


def test_an_image_without_edges_has_no_slope():
    assert isnan(of("edge-slope", np.full((64, 64), 3.0), None))


def test_uptake_changes_as_asked():
    after = REFERENCE * 1.1
    assert of("suv-max", after, mask=MASK) == pytest.approx(10)
    assert of("suv-mean", after, mask=MASK) == pytest.approx(10)
    spot = REFERENCE.copy()
    spot[1, 100, 100] = 2 * REFERENCE[MASK].max()
    assert of("suv-max", spot, mask=MASK) == pytest.approx(100)
    assert isnan(of("suv-max", after, np.zeros_like(after), mask=MASK))


def points(mask, spacing):
    """The surface voxels of a mask, found one by one."""
    inside = {*map(tuple, np.argwhere(mask))}
    steps = [*np.eye(3, dtype=int), *-np.eye(3, dtype=int)]
    edge = [p for p in inside if any(tuple(np.add(p, step)) not in inside for step in steps)]
    return np.array(edge) * spacing


def test_distances_are_those_of_all_pairs_of_surface_voxels():
    spacing = (2.0, 0.7, 1.1)
    one, two = (
        ndimage.gaussian_filter(RNG.standard_normal((9, 14, 15)), 2) > level
        for level in (0.0, 0.03)
    )
    distances = cdist(points(one, spacing), points(two, spacing))
    ways = distances.min(axis=1), distances.min(axis=0)
    found = overlap.surface_distances(one, two, spacing=spacing)
    assert found.hausdorff == pytest.approx(max(way.max() for way in ways))
    assert found.hausdorff_95 == pytest.approx(max(np.percentile(way, 95) for way in ways))
    assert found.mean == pytest.approx(np.concatenate(ways).mean())
    assert overlap.surface_distances(one, one) == (0, 0, 0)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_surface_of_a_single_slice_is_its_outline(axis):
    one, two = np.zeros((2, 30, 40), bool)
    one[5:25, 5:30], two[5:25, 5:20] = True, True
    flat = overlap.surface_distances(one, two, spacing=(0.7, 1.1))
    spacing = np.insert([0.7, 1.1], axis, 5.0)
    slice_ = (np.expand_dims(mask, axis) for mask in (one, two))
    assert overlap.surface_distances(*slice_, spacing=tuple(spacing)) == flat
    outlines = [mask & ~ndimage.binary_erosion(mask) for mask in (one, two)]
    distances = cdist(*(np.argwhere(outline) * (0.7, 1.1) for outline in outlines))
    ways = np.r_[distances.min(axis=1), distances.min(axis=0)]
    assert flat.mean == pytest.approx(ways.mean())


def test_overlap_and_volume():
    one, two = np.zeros((2, 3, 10, 10), bool)
    one[:, 2:6, 2:6], two[:, 2:6, 4:10] = True, True
    assert overlap.dice(one, two) == pytest.approx(2 * 8 / (16 + 24))
    assert overlap.volume_error(two, one) == pytest.approx(50)


def test_distances_are_those_of_monai():
    torch, monai = pytest.importorskip("torch"), pytest.importorskip("monai.metrics")
    smooth = ndimage.gaussian_filter(RNG.standard_normal((9, 30, 35)), 3)
    masks = smooth > 0, smooth > 0.02
    how = {"include_background": True, "spacing": [2.0, 0.7, 1.1]}
    found = overlap.surface_distances(*masks, spacing=(2.0, 0.7, 1.1))
    both = [torch.from_numpy(mask)[None, None] for mask in masks]
    far = (float(monai.compute_hausdorff_distance(*both, percentile=p, **how)) for p in (None, 95))
    assert (found.hausdorff, found.hausdorff_95) == pytest.approx(tuple(far), rel=1e-5)


def test_masks_without_voxels_have_no_distance():
    none, some = np.zeros((3, 8, 8), bool), np.ones((3, 8, 8), bool)
    assert overlap.dice(none, some) == 0
    assert isnan(overlap.dice(none, none))
    assert isnan(overlap.volume_error(some, none))
    assert all(map(isnan, overlap.surface_distances(some, none)))


@pytest.mark.parametrize(("paper", "modality"), [(p, m) for p, by in PAPERS.items() for m in by])
def test_a_paper_s_figures_are_of_its_range(paper, modality):
    """PSNR and RMSE agree with the peak that the convention states."""
    how = convention(paper, modality)
    images = {"scale": 900.0, "maximum": 1200.0}
    x, y = (how.apply(image, REFERENCE[0], **images) for image in (RESULT[0], REFERENCE[0]))
    peak = how.range_of(**images)
    found = {name: of(name, x, y, data_range=peak) for name in ("psnr", "rmse")}
    assert found["psnr"] == pytest.approx(20 * np.log10(peak / found["rmse"]))
    if how.high is not None:
        assert max(x.max(), y.max()) <= (1 if how.relative else how.high)


def test_conventions_of_the_papers():
    cut = convention("001", "CT").apply(
        np.array([[-500.0, 40, 900]]), np.zeros(1), scale=1, maximum=1
    )
    assert_allclose(cut, [[0, 0.5, 1]])
    assert convention("003", "CT").range_of(4000, 3000) == 2000
    assert convention("002", "MR").metrics["ssim"] == "ssim:window=uniform,range=2"
    with pytest.raises(UsageError, match="--paper 000 has figures for MR"):
        convention("000", "CT")
