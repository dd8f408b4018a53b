"""Every noise, whatever there is: its level, its units, and what it depends on."""

from dataclasses import replace
from math import pi, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import gammaln, hyp1f1, ive

from medclean.catalog import NOISES
from medclean.errors import UsageError
from medclean.physics.noise._base import fits, zero
from medclean.physics.noise._scan import radon_of
from medclean.physics.signal.fourier import to_kspace
from medclean.training.noise import Noise
from medclean.volume import UNITS, Given

CT = Given("HU", 4000.0, (5.0, 0.7, 0.7), "CT", sigma=10.0)
MR = Given("au", 800.0, (5.0, 0.7, 0.7), "MR")
PT = Given("Bq/ml", 20_000.0, (3.0, 2.0, 2.0), "PT")
KNOWN = {"CT": CT, "MR": MR, "PT": PT}
FITS = {name: NOISES.entry(name).facts["fits"].split() for name in NOISES}
OPTIONS = {name: NOISES.entry(name).options for name in NOISES}
LEVELLED = [name for name in NOISES if "sigma" in OPTIONS[name]]
CLIPPED = [name for name in NOISES if "clip" in OPTIONS[name]]
SLOW = [name for name in NOISES if NOISES.entry(name).facts.get("slow")]
IN_HU = ["low-dose"]  # which need absolute values, not shares of a scale


def rng(seed=0):
    return np.random.default_rng(seed)


def known(name):
    """What is known about an image that a noise fits."""
    return KNOWN[FITS[name][0]]


def bright(given, shape=(200, 150)):
    """A slice that equals its scale."""
    return np.full(shape, zero(given) + given.scale, np.float32)


def ramp(given, shape=(200, 150)):
    """A slice from no signal to the scale."""
    values = np.linspace(0, given.scale, shape[0] * shape[1], dtype=np.float32).reshape(shape)
    return values + np.float32(zero(given))


@pytest.mark.parametrize("name", LEVELLED)
@pytest.mark.parametrize("form", ["{share}", "{percent}%", "{absolute}{unit}"])
def test_measured_sigma_is_the_one_asked_for(name, form):
    given = known(name)
    wanted = 0.02 * given.scale
    sigma = form.format(share=0.02, percent=2, absolute=wanted, unit=given.unit)
    noisy = NOISES.make(f"{name}:sigma={sigma}")(bright(given), rng(), given)
    assert (noisy - bright(given)).std() == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize("name", LEVELLED)
def test_noise_of_level_zero_changes_nothing(name):
    given = known(name)
    noisy = NOISES.make(f"{name}:sigma=0")(ramp(given), rng(), given)
    np.testing.assert_array_equal(noisy, ramp(given))


@pytest.mark.parametrize("name", list(NOISES))
def test_noise_depends_on_its_arguments_alone(name):
    noise, given, source = NOISES.make(name), known(name), ramp(known(name))
    first, again, other = (noise(source, rng(seed), given) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert (first.dtype, first.shape) == (np.float32, source.shape)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(source, ramp(given))


@pytest.mark.parametrize("name", sorted(set(NOISES) - set(IN_HU)))
def test_noise_is_relative_to_the_scale(name):
    given = known(name)
    source = ramp(given) - np.float32(zero(given))
    full = NOISES.make(name)(source, rng(), Given("1", given.scale, given.spacing, given.modality))
    small = NOISES.make(name)(source / 1024, rng(), given.times(1 / 1024))
    np.testing.assert_allclose(1024 * small, full, rtol=1e-5, atol=1e-5 * given.scale)


@pytest.mark.parametrize("name", list(NOISES))
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 32)])
def test_every_size_gets_noise_constant_images_too(name, shape):
    given = known(name)
    for value in (zero(given), zero(given) + given.scale):
        noisy = NOISES.make(name)(np.full(shape, value, np.float32), rng(), given)
        assert (noisy.shape, noisy.dtype) == (shape, np.float32)
        assert np.isfinite(noisy).all()


@pytest.mark.parametrize("name", LEVELLED)
def test_level_in_another_unit_is_refused(name):
    given = known(name)
    with pytest.raises(UsageError, match=f"number in {given.unit}"):
        NOISES.make(f"{name}:sigma=20furlong")(bright(given), rng(), given)


@pytest.mark.parametrize("name", list(NOISES))
def test_images_of_another_modality_do_not_fit(name):
    assert set(FITS[name]) <= set(UNITS)
    assert fits(NOISES.make(name), known(name))
    for modality in set(UNITS) - set(FITS[name]):
        other = KNOWN[modality]
        assert not fits(NOISES.make(name), other)
        if name not in SLOW:
            with pytest.raises(UsageError, match=f"{name} .*{FITS[name][0]}"):
                Noise(name).fitting(modality)


@pytest.mark.parametrize("name", CLIPPED)
@pytest.mark.parametrize("modality", list(UNITS))
def test_clipped_noise_stays_within_the_scale(name, modality):
    if modality in FITS[name]:
        given = KNOWN[modality]
        low, high = zero(given), zero(given) + given.scale
        free, cut = (NOISES.make(f"{name}:sigma=0.1,clip={c}") for c in ("false", "true"))
        noisy = free(ramp(given), rng(), given)
        np.testing.assert_array_equal(cut(ramp(given), rng(), given), noisy.clip(low, high))
        assert noisy.max() > high


@pytest.mark.parametrize("name", list(NOISES))
def test_a_noise_can_be_trained_with(name):
    level = "0..0.3" if name in LEVELLED else "0.1"
    alone, beside = f"{name}:sigma={level}" if name in LEVELLED else name, "gaussian:sigma=0.1"
    for spec in (alone, f"{beside}|{alone}"):
        noise = Noise(spec).fitting(FITS[name][0])
        assert noise.slow == (name in SLOW)
        assert noise.levelled == (name in LEVELLED or spec != alone)


def test_gaussian_noise_is_white_and_without_bias():
    noise = NOISES.make("gaussian:sigma=0.1")(0 * bright(MR), rng(), MR)
    spectrum = np.abs(np.fft.fft2(noise)) ** 2 / noise.size
    quarters = [spectrum[a : a + 50, b : b + 75].mean() for a in (1, 50) for b in (1, 37)]
    assert abs(noise.mean()) < 4 * 80 / sqrt(noise.size)
    assert quarters == pytest.approx([80**2] * 4, rel=0.05)


def test_level_of_a_map_varies_smoothly_within_its_spread():
    noise = NOISES.make("gaussian-map:sigma=0.1,spread=9")
    image = np.zeros((256, 256), np.float32)
    blocks = noise(image, rng(), MR).reshape(8, 32, 8, 32).std(axis=(1, 3))
    assert 4 < blocks.max() / blocks.min() < 9.5
    steps = np.abs(np.diff(np.log(blocks), axis=0))
    assert steps.max() < 0.5 * np.ptp(np.log(blocks))


@pytest.mark.parametrize("signal", [0.0, 2.0, 5.0])
def test_rician_bias_is_that_of_the_distribution(signal):
    """Mean is ``sigma sqrt(pi/2) L(-signal^2 / 2)``, L the Laguerre polynomial of degree 1/2."""
    noisy = NOISES.make("rician:sigma=0.1")(np.full((400, 400), 80 * signal, np.float32), rng(), MR)
    half = signal**2 / 4
    laguerre = (1 + 2 * half) * ive(0, half) + 2 * half * ive(1, half)
    assert noisy.mean() == pytest.approx(80 * sqrt(pi / 2) * laguerre, rel=0.01)
    assert (noisy**2).mean() == pytest.approx(80**2 * (signal**2 + 2), rel=0.01)


def test_a_training_leaves_out_what_its_images_cannot_have():
    noise = Noise("gaussian:sigma=0..0.3|rician:sigma=0..0.3", "poisson")
    assert noise.fitting("MR").specs == noise.specs
    assert noise.fitting("CT").specs == ("gaussian:sigma=0..0.3", "poisson")


@pytest.mark.parametrize("name", ["rician", "chi:coils=1"])
def test_noise_of_magnitudes_of_air_is_above_air(name):
    air = np.full((300, 300), -1000, np.float32)
    spec = f"{name}{',' if ':' in name else ':'}sigma=20HU"
    noisy = NOISES.make(spec)(air, rng(), CT)
    assert noisy.mean() == pytest.approx(-1000 + 20 * sqrt(pi / 2), abs=0.2)


@pytest.mark.parametrize("name", ["spike:amplitude=0.1%", "motion:shift=0,angle=0", "ghosting"])
def test_magnitudes_in_hu_are_counted_from_air(name):
    """What is far above air looks the same as in any unit, an air's value lower."""
    signal = ramp(MR) + 200
    same = replace(MR, unit="HU")
    expected = NOISES.make(name)(signal, rng(3), MR) - 1000
    np.testing.assert_allclose(NOISES.make(name)(signal - 1000, rng(3), same), expected, atol=0.01)


@pytest.mark.parametrize("signal", [0.0, 3.0, 10.0])
@pytest.mark.parametrize("coils", [1, 4, 32])
def test_chi_moments_are_those_of_the_distribution(signal, coils):
    """Mean is ``sigma sqrt(2) G(n + 1/2) / G(n) 1F1(-1/2; n; -signal^2 / 2)``."""
    image = np.full((300, 300), 80 * signal, np.float32)
    noisy = NOISES.make(f"chi:sigma=0.1,coils={coils}")(image, rng(), MR)
    gammas = np.exp(gammaln(coils + 0.5) - gammaln(coils))
    mean = 80 * sqrt(2) * gammas * hyp1f1(-0.5, coils, -(signal**2) / 2)
    assert noisy.mean() == pytest.approx(mean, rel=0.01)
    assert (noisy**2).mean() == pytest.approx(80**2 * (signal**2 + 2 * coils), rel=0.01)


@pytest.mark.parametrize(
    ("name", "floor"), [("poisson", 0), ("poisson-gaussian:gaussian=0.2", 0.2)]
)
@pytest.mark.parametrize("given", [MR, CT], ids=["MR", "CT"])
def test_variance_of_counts_rises_with_the_signal(name, floor, given):
    noise = NOISES.make(f"{name}{',' if floor else ':'}sigma=0.05")
    for share in (0.1, 0.5, 1):
        image = np.full((400, 400), zero(given) + share * given.scale, np.float32)
        added = noise(image, rng(), given) - image
        wanted = (0.05 * given.scale) ** 2 * (floor + (1 - floor) * share)
        assert added.var() == pytest.approx(wanted, rel=0.03)
        assert abs(added.mean()) < 5 * sqrt(wanted / added.size)


def test_thinned_counts_keep_their_mean_and_gain_the_variance_of_those_lost():
    image = np.full((400, 400), PT.scale / 4, np.float32)
    added = NOISES.make("counts:dose=0.2,counts=400,fwhm=0")(image, rng(), PT) - image
    events = added / PT.scale * 400
    assert events.var() == pytest.approx(100 * (1 / 0.2 - 1), rel=0.02)
    assert abs(events.mean()) < 5 * sqrt(400 / events.size)
    np.testing.assert_array_equal(NOISES.make("counts:dose=1")(image, rng(), PT), image)


def test_thinning_has_the_point_spread_of_the_scanner_and_leaves_the_anatomy():
    """A Gaussian divides white noise's variance by ``4 pi s^2``, s its sigma in pixels."""
    image = np.full((400, 400), PT.scale, np.float32)
    sharp, smooth = (
        NOISES.make(f"counts:counts=1000,fwhm={fwhm}")(image, rng(), PT) - image for fwhm in (0, 8)
    )
    width = 8 / 2 / 2.3548
    assert smooth.var() == pytest.approx(sharp.var() / (4 * pi * width**2), rel=0.08)
    edge = np.where(np.arange(400) < 200, 0, image).astype(np.float32)
    thinned = NOISES.make("counts:counts=1e9,fwhm=8")(edge, rng(), PT)
    np.testing.assert_allclose(thinned, edge, atol=1e-3 * PT.scale)


@drawn(
    arrays.arrays(np.float32, (9, 7), elements=st.floats(0, 30_000, width=32)),
    st.floats(0.05, 1),
)
@settings(max_examples=30, deadline=None)
def test_counts_are_never_negative_without_a_point_spread(image, dose):
    thinned = NOISES.make(f"counts:dose={dose},fwhm=0")(image, rng(), PT)
    assert (thinned >= -200).all()  # one event, by which a fraction of an event is rounded


def test_salt_and_pepper_come_in_their_shares():
    noisy = NOISES.make("salt-pepper:share=0.1,salt=0.25")(ramp(CT) * 0, rng(), CT)
    assert (noisy == 3000).mean() == pytest.approx(0.025, abs=0.005)
    assert (noisy == -1000).mean() == pytest.approx(0.075, abs=0.005)
    assert (noisy == 0).mean() == pytest.approx(0.9, abs=0.01)


def test_a_spike_is_one_wave():
    image = np.full((64, 64), 800, np.float32)
    added = NOISES.make("spike:amplitude=0.1%")(image, rng(3), MR) - image
    power = np.sort(np.abs(to_kspace(added)).ravel() ** 2)
    assert power[-2:].sum() > 0.99 * power.sum()
    assert np.ptp(added) == pytest.approx(2 * 0.8, rel=0.05)


def test_ghosts_lie_a_period_away():
    image = np.zeros((64, 8), np.float32)
    image[30] = 500
    noisy = NOISES.make("ghosting:period=4,strength=0.2")(image, rng(), MR)
    wanted = np.zeros(64)
    wanted[[30, 14, 46]] = 500, 100, 100
    np.testing.assert_allclose(noisy, np.repeat(wanted[:, None], 8, 1), atol=1e-3)
    turned = NOISES.make("ghosting:period=4,strength=0.2,phase=columns")(image.T, rng(), MR)
    np.testing.assert_allclose(turned, noisy.T, atol=1e-3)


def test_motion_spares_who_lies_still_and_keeps_the_middle_in_place():
    image = np.zeros((64, 64), np.float32)
    image[20:44, 24:40] = 500
    still = NOISES.make("motion:shift=0,angle=0")(image, rng(), MR)
    np.testing.assert_allclose(still, image, atol=0.1)
    noisy = NOISES.make("motion:shots=4,shift=2,angle=5")(image, rng(), MR)
    assert np.abs(noisy - image).max() > 50
    middle = [np.average(np.arange(64), weights=i.sum(1) ** 2) for i in (image, noisy)]
    assert middle[1] == pytest.approx(middle[0], abs=1)


def test_rings_are_round():
    image = np.zeros((101, 101), np.float32)
    rings = NOISES.make("ring:sigma=20HU")(image, rng(), CT)
    quarter = np.rot90(rings)
    y, x = np.ogrid[-50:51, -50:51]
    inside = np.hypot(x, y) < 45
    assert np.corrcoef(rings[inside], quarter[inside])[0, 1] > 0.95


def test_a_streak_is_one_ray():
    image = np.zeros((65, 65), np.float32)
    streak = NOISES.make("streak:sigma=20HU,rays=1")(image, rng(), CT)
    sums = radon_of(image.shape).forward(torch.from_numpy(streak)[None, None]).abs().numpy()
    assert sums.max() > 10 * np.percentile(sums, 99)
