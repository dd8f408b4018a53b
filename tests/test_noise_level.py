"""The level that is measured is the level that was added."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from skimage.data import shepp_logan_phantom

from medclean.physics.signal.body import body_mask
from medclean.physics.signal.noise_level import noise_level, series_noise_level

Array = NDArray[np.float64]


def phantom() -> Array:
    return np.asarray(shepp_logan_phantom(), np.float64)[40:360, 60:340]


def brain() -> Array:
    """Like a smooth average brain: folded tissue, soft edges, half of the slice is exactly 0."""
    rows, columns = np.mgrid[:256, :256] / 255 - 0.5
    radius = np.hypot(rows, columns * 1.2)
    folds = np.random.default_rng(5).normal(size=(256, 256))
    folds = ndimage.gaussian_filter(folds, 6)
    tissue = 0.6 + 0.15 * np.tanh(folds / folds.std() * 2)
    return np.where(radius < 0.4, ndimage.gaussian_filter(tissue, 1.0), 0.0)


def measured(noisy: Callable[[np.random.Generator], Array]) -> float:
    return series_noise_level(noise_level(noisy(np.random.default_rng(seed))) for seed in range(5))


@pytest.mark.parametrize("sigma", [0.01, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("clean", [phantom(), brain()], ids=["phantom", "brain"])
def test_gaussian_noise_is_measured_within_five_percent(clean: Array, sigma: float) -> None:
    found = measured(lambda rng: clean + rng.normal(0, sigma, clean.shape))
    assert found == pytest.approx(sigma, rel=0.05)


@pytest.mark.parametrize("sigma", [0.01, 0.05, 0.1, 0.2])
def test_rician_noise_is_measured_inside_the_body(sigma: float) -> None:
    def rician(rng: np.random.Generator) -> Array:
        real, imaginary = rng.normal(0, sigma, (2, *brain().shape))
        return np.hypot(brain() + real, imaginary)

    assert measured(rician) == pytest.approx(sigma, rel=0.1)


def test_exact_zeros_and_constant_areas_do_not_pull_the_level_down() -> None:
    def masked(rng: np.random.Generator) -> Array:
        noisy = brain() + rng.normal(0, 0.05, brain().shape)
        noisy[brain() == 0] = 0
        noisy[90:120, 90:120] = 0.7  # a saturated area inside the body
        return noisy

    assert measured(masked) == pytest.approx(0.05, rel=0.05)


def test_padding_and_background_do_not_count_where_a_mask_only_leaves_out_padding() -> None:
    image_part = np.ones((256, 256), bool)
    image_part[:, 200:] = False

    def padded(rng: np.random.Generator) -> Array:
        real, imaginary = rng.normal(0, 0.05, (2, 256, 256))
        noisy = np.hypot(brain() + real, imaginary)
        noisy[~image_part] = -2000
        return noisy

    levels = (noise_level(padded(np.random.default_rng(seed)), image_part) for seed in range(5))
    assert series_noise_level(levels) == pytest.approx(0.05, rel=0.05)


def test_noise_blurred_by_interpolation_is_not_missed() -> None:
    def interpolated(rng: np.random.Generator) -> Array:
        small = ndimage.zoom(brain(), 0.5, order=1)
        return ndimage.zoom(small + rng.normal(0, 0.05, small.shape), 2, order=3)

    everywhere = interpolated(np.random.default_rng(0)) - ndimage.zoom(
        ndimage.zoom(brain(), 0.5, order=1), 2, order=3
    )
    assert measured(interpolated) == pytest.approx(float(everywhere.std()), rel=0.25)


def test_the_level_follows_the_unit_and_ignores_an_offset() -> None:
    noisy = brain() + np.random.default_rng(0).normal(0, 0.1, brain().shape)
    level = noise_level(noisy)
    assert noise_level(4000 * noisy - 1000) == pytest.approx(4000 * level)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (3, 3), (64, 64)])
def test_a_constant_slice_of_any_size_has_no_noise(shape: tuple[int, int]) -> None:
    assert noise_level(np.full(shape, -1000.0)) == 0
    assert noise_level(np.zeros(shape), np.ones(shape, bool)) == 0


def test_tiny_slices_and_empty_masks_give_a_number() -> None:
    rng = np.random.default_rng(0)
    for shape in [(1, 9), (2, 2), (3, 3), (5, 400)]:
        noisy = rng.normal(size=shape)
        assert np.isfinite(noise_level(noisy))
        assert noise_level(noisy, np.zeros(shape, bool)) == 0
    assert series_noise_level([]) == 0


def test_the_body_is_found_with_its_cavities_and_without_the_table() -> None:
    rows, columns = np.mgrid[:200, :200]
    body = np.hypot(rows - 90, columns - 100) < 70
    lung = np.hypot(rows - 90, columns - 75) < 20
    slice_ = np.where(body & ~lung, 40.0, -1000.0)
    slice_[180:183, 40:160] = 0.0  # table
    noisy = slice_ + np.random.default_rng(0).normal(0, 80, slice_.shape)
    for modality, image in (("CT", noisy), ("MR", noisy + 1000)):
        found = body_mask(image, modality)
        assert (found & body).sum() / (found | body).sum() > 0.95
        assert not found[180:183].any()
    assert not body_mask(np.zeros((8, 8)), "MR").any()
    assert not body_mask(np.full((8, 8), -1000.0), "CT").any()
