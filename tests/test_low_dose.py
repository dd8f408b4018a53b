"""Low-dose CT: the level, the texture and the place of its noise, and what it leaves alone."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from medclean.catalog import NOISES
from medclean.errors import UsageError
from medclean.physics.noise._scan import WATER
from medclean.volume import Given, Image

SIDE, PIXEL, SIGMA = 128, 1.5, 12.0
GIVEN = Given("HU", 4000.0, (2.0, PIXEL, PIXEL), "CT", sigma=SIGMA)
Y, X = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
RADIUS = np.hypot(Y, X)
WATER_DISK = np.where(RADIUS < 50, 0, -1000).astype(np.float32)
AIR = np.full((SIDE, SIDE), -1000, np.float32)


def added(spec: str, image: Image = WATER_DISK, *, given: Given = GIVEN, count: int = 1) -> Image:
    """Noise of ``count`` realisations, ``(count, H, W)``."""
    noise = NOISES.make(spec)
    return np.stack([noise(image, np.random.default_rng(k), given) - image for k in range(count)])


def spectrum(noise: Image, bins: int = 24) -> Image:
    """Radial noise power of squares in the middle, from 0 to the Nyquist frequency, sum 1."""
    middle = noise[:, 32:96, 32:96] * np.outer(np.hanning(64), np.hanning(64))
    power = (np.abs(np.fft.fft2(middle)) ** 2).mean(0).ravel()
    across = np.hypot(*np.meshgrid(np.fft.fftfreq(64), np.fft.fftfreq(64))).ravel()
    which = np.digitize(across, np.linspace(0, 0.5, bins + 1)) - 1
    found = np.array([power[which == k].mean() for k in range(bins)])
    return found / found.sum()


@pytest.mark.parametrize(
    "beam", ["kernel=hann", "kernel=ramp", "source=400", "channel=1,source=400"]
)
@pytest.mark.parametrize("dose", [0.25, 0.5])
def test_the_missing_dose_has_its_variance_in_the_body(beam, dose):
    noise = added(f"low-dose:dose={dose},{beam}", count=6)
    level = np.median(noise.std(0, ddof=1)[RADIUS < 48]) / 0.951  # median of chi with 5 degrees
    assert level == pytest.approx(SIGMA * sqrt(1 / dose - 1), rel=0.05)


def test_noise_is_louder_where_rays_pass_more():
    noise = added("low-dose", count=6)
    assert noise[:, RADIUS < 15].std() > 1.3 * noise[:, (RADIUS > 54) & (RADIUS < 62)].std()


def test_variance_goes_with_the_dose_that_is_missing():
    half, tenth = added("low-dose:dose=0.5"), added("low-dose:dose=0.1")
    np.testing.assert_allclose(tenth, 3 * half, atol=1e-2)
    np.testing.assert_array_equal(added("low-dose:dose=1"), 0)


def test_more_photons_make_less_noise():
    few, many = added("low-dose:n0=1e4"), added("low-dose:n0=4e4", given=replace(GIVEN, sigma=None))
    np.testing.assert_allclose(few, 2 * many, atol=1e-2)


def test_electronic_noise_adds_its_own_variance():
    """In air, where no ray is attenuated, the variances differ by ``1 + s^2 (1/d + 1) / N``."""
    quiet, loud = (added(f"low-dose:n0=1e4,electronic={s}", AIR) for s in (0, 50))
    np.testing.assert_allclose(loud, sqrt(1 + 50**2 * 5 / 1e4) * quiet, rtol=1e-3, atol=1e-3)
    calibrated = added("low-dose:electronic=50", count=6)
    level = np.median(calibrated.std(0, ddof=1)[RADIUS < 48]) / 0.951
    assert level > 1.05 * SIGMA * sqrt(3)  # less dose lets the electronics through


def test_a_beam_filter_evens_out_its_cylinder():
    """All rays through a cylinder as wide as the filter's lose as much: its noise is uniform."""
    rows = [added(f"low-dose:n0=1e5,bowtie={d}", count=6) for d in (0, 100 * PIXEL)]
    uneven, even = (
        noise[:, RADIUS < 12].std() / noise[:, (RADIUS > 40) & (RADIUS < 48)].std()
        for noise in rows
    )
    assert uneven > 1.15
    assert even == pytest.approx(1, abs=0.06)


def test_photons_in_air_give_the_noise_of_theory():
    """Rays through air have variance ``(1/d - 1) / N``; FBP of it by ramp has that of the sum."""
    noise = added("low-dose:n0=1e5,dose=0.5,kernel=ramp", AIR, count=4)
    views, kernel = 202, 2 / 3 / 12 + 1 / 3 * -0.5 / np.pi**2
    per_pixel = sqrt(np.pi**2 / views * 1e-5 * kernel)
    assert noise.std() == pytest.approx(1000 / WATER / PIXEL * per_pixel, rel=0.1)


@pytest.mark.parametrize(("kernel", "cutoff"), [("ramp", 1e9), ("hann", 1.0), ("hann", 0.6)])
def test_texture_is_that_of_filtered_back_projection(kernel, cutoff):
    """Noise power ``f W(f)^2 sinc(f)^4``: none at 0, ever more up to where the window falls."""
    noise = added(f"low-dose:kernel={kernel},cutoff={cutoff}", count=12)
    near = added(f"low-dose-approximate:sigma=20HU,cutoff={cutoff}", count=12)
    across = (np.arange(24) + 0.5) / 48
    window = (1 + np.cos(np.pi * np.minimum(2 * across / cutoff, 1))) / 2
    theory = across * window**2 * np.sinc(across) ** 4
    theory /= theory.sum()
    white = spectrum(np.random.default_rng(0).standard_normal((12, SIDE, SIDE)))
    for found in (spectrum(noise), spectrum(near)):
        assert np.corrcoef(found, theory)[0, 1] > 0.95
        assert np.abs(found - theory).sum() < 0.15 < np.abs(white - theory).sum()
        assert found[0] < 0.4 * found.max()


def test_mean_and_sharpness_of_the_anatomy_stay():
    """What is added has no mean and does not know the edge: it is uncorrelated with the image."""
    noise = added("low-dose", count=40)
    error = noise.std(0, ddof=1) / sqrt(40)
    assert abs(noise.mean()) < 0.1
    assert (np.abs(noise.mean(0)) < 5.5 * error).all()
    edge = (RADIUS > 48) & (RADIUS < 52)
    slope = np.polyfit(WATER_DISK[edge], noise.mean(0)[edge], 1)[0]
    assert abs(slope) < 0.005


@pytest.mark.parametrize(
    ("change", "spec", "hint"),
    [
        ({"unit": "1"}, "low-dose", "needs images in HU"),
        ({"sigma": None}, "low-dose", "state n0"),
        ({"spacing": (1.0, 1.0, 2.0)}, "low-dose", "need square ones"),
        ({}, "low-dose:source=50", "source at 33"),
    ],
)
def test_what_cannot_be_scanned_is_refused(change, spec, hint):
    with pytest.raises(UsageError, match=hint):
        added(spec, given=replace(GIVEN, **change))


@pytest.mark.parametrize("option", ["dose=0", "dose=1.5", "n0=0", "electronic=-1", "cutoff=0"])
def test_impossible_options_are_refused_at_once(option):
    with pytest.raises(UsageError, match=option.partition("=")[0]):
        NOISES.make(f"low-dose:{option}")
