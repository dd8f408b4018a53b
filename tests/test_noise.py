"""Every noise, whatever there is: its level, its units, and what it depends on."""

from math import pi, sqrt

import numpy as np
import pytest
from scipy.special import ive

from medclean.catalog import NOISES
from medclean.errors import UsageError
from medclean.volume import Given

SLICE = np.full((200, 150), 1000, np.float32)
CT = Given("HU", 4000.0, (5.0, 0.7, 0.7), "CT")
MR = Given("au", 800.0, (5.0, 0.7, 0.7), "MR")
LEVELLED = [name for name in NOISES if "sigma" in NOISES.entry(name).options]


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", LEVELLED)
@pytest.mark.parametrize("sigma", ["0.005", "0.5%", "20HU"])
def test_measured_sigma_is_the_one_asked_for(name, sigma):
    noisy = NOISES.make(f"{name}:sigma={sigma}")(SLICE, rng(), CT)
    assert noisy.std() == pytest.approx(20, rel=0.02)


@pytest.mark.parametrize("name", list(NOISES))
def test_noise_depends_on_its_arguments_alone(name):
    noise = NOISES.make(name)
    first, again, other = (noise(SLICE, rng(seed), CT) for seed in (0, 0, 1))
    scaled = noise(SLICE / 4000, rng(), CT.times(1 / 4000))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(4000 * scaled, first, rtol=1e-5)
    assert not np.array_equal(first, other)
    assert (first.dtype, first.shape) == (np.float32, SLICE.shape)
    assert (SLICE == 1000).all()


@pytest.mark.parametrize("name", list(NOISES))
def test_images_of_one_pixel_get_noise(name):
    assert NOISES.make(name)(SLICE[:1, :1], rng(), MR).shape == (1, 1)


@pytest.mark.parametrize("name", LEVELLED)
def test_level_in_another_unit_is_refused(name):
    with pytest.raises(UsageError, match="number in HU"):
        NOISES.make(f"{name}:sigma=20Bq/ml")(SLICE, rng(), CT)


@pytest.mark.parametrize("name", LEVELLED)
def test_clipped_noise_stays_within_the_scale(name):
    ramp = np.linspace(0, 800, 30_000, dtype=np.float32).reshape(200, 150)
    free, clipped = (NOISES.make(f"{name}:sigma=0.1,clip={c}") for c in ("false", "true"))
    wanted = free(ramp, rng(), MR).clip(0, 800)
    np.testing.assert_array_equal(clipped(ramp, rng(), MR), wanted)
    assert free(ramp, rng(), MR).max() > 800 == wanted.max()


def test_gaussian_noise_is_white_and_without_bias():
    noise = NOISES.make("gaussian:sigma=0.1")(0 * SLICE, rng(), MR)
    spectrum = np.abs(np.fft.fft2(noise)) ** 2 / noise.size
    quarters = [spectrum[a : a + 50, b : b + 75].mean() for a in (1, 50) for b in (1, 37)]
    assert abs(noise.mean()) < 4 * 80 / sqrt(noise.size)
    assert quarters == pytest.approx([80**2] * 4, rel=0.05)


@pytest.mark.parametrize("signal", [0.0, 2.0, 5.0])
def test_rician_bias_is_that_of_the_distribution(signal):
    """Mean is ``sigma sqrt(pi/2) L(-signal^2 / 2)``, L the Laguerre polynomial of degree 1/2."""
    noisy = NOISES.make("rician:sigma=0.1")(np.full((400, 400), 80 * signal, np.float32), rng(), MR)
    half = signal**2 / 4
    laguerre = (1 + 2 * half) * ive(0, half) + 2 * half * ive(1, half)
    assert noisy.mean() == pytest.approx(80 * sqrt(pi / 2) * laguerre, rel=0.01)
    assert (noisy**2).mean() == pytest.approx(80**2 * (signal**2 + 2), rel=0.01)
