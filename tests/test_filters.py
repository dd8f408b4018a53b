"""Classical filters: what each keeps and removes; extras with their packages and without."""

import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from medclean.catalog import MODELS
from medclean.errors import MissingError
from medclean.models._base import Model
from medclean.physics.signal.rician import restore, stabilise
from tiny import GIVEN

SIGNALS = (0, 0.5, 1, 1.5, 2, 3, 4, 6, 10, 50)  # in sigma


def made(spec):
    return Model.of(MODELS.make(spec))


def step(height=40.0):
    """Two even regions with noise of 1 between them a step, and where each lies."""
    clean = torch.zeros(1, 1, 48, 48)
    clean[..., 24:] = height
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return clean, clean + noise


def rician(signal, count=400_000):
    real, imaginary = np.random.default_rng(1).standard_normal((2, count))
    return np.hypot(signal + real, imaginary)


@pytest.mark.parametrize("name", ["nlm", "tv", "wavelet", "adf"])
def test_noise_goes_and_a_step_stays(name):
    clean, noisy = step()
    denoised = made(name).denoise(noisy, replace(GIVEN, sigma=1.0))
    inside = (denoised - clean)[..., 6:-6, 6:-6]
    assert inside.std() < 0.55
    assert inside.abs().max() < 3
    edge = denoised[..., 6:-6, 24] - denoised[..., 6:-6, 23]
    assert edge.mean() == pytest.approx(40, abs=1)


def test_diffusion_moves_values_about_and_makes_none():
    _, noisy = step(height=3.0)
    denoised = made("adf:kappa=3,dt=0.25").denoise(noisy, replace(GIVEN, sigma=1.0))
    assert denoised.mean() == pytest.approx(float(noisy.mean()), abs=1e-4)
    assert noisy.min() <= denoised.min() <= denoised.max() <= noisy.max()
    assert denoised.std() < noisy.std()


def test_diffusion_is_halved_at_kappa():
    pair = torch.tensor([0.0, 2.0]).view(1, 1, 1, 2)
    once = made("adf:kappa=2,iterations=1,dt=0.25").denoise(pair, replace(GIVEN, sigma=1.0))
    assert once.flatten().tolist() == [0.25, 1.75]  # 0.25 * 2 * 1 / (1 + 1) each


@pytest.mark.parametrize("signal", SIGNALS)
def test_rician_noise_is_made_even(signal):
    deviation = stabilise(rician(signal), 1.0).std()
    assert deviation == pytest.approx(1, abs=0.01 if signal >= 4 else 0.06)


@pytest.mark.parametrize("signal", SIGNALS)
def test_inverse_finds_the_signal_without_bias(signal):
    magnitude = rician(signal)
    assert restore(stabilise(magnitude, 1.0).mean(), 1.0) == pytest.approx(signal, abs=0.04)
    if signal <= 2:
        assert magnitude.mean() > signal + 0.2


def test_transform_and_inverse_have_no_seams_and_keep_units():
    magnitude = np.linspace(0, 60, 60_001)
    even = stabilise(magnitude, 1.0)
    assert (np.diff(even) >= 0).all()
    assert np.diff(even).max() < 0.003
    signal = restore(np.linspace(0, 60, 60_001), 1.0)  # below 0 lies what no signal gives
    assert np.diff(signal[signal > 0.3]).max() < 0.006
    np.testing.assert_allclose(stabilise(7 * magnitude, 7.0), even)
    np.testing.assert_allclose(restore(even, 7.0), 7 * restore(even, 1.0))
    assert restore(-5.0, 1.0) == 0


def packages(monkeypatch):
    """Stand-ins for the extras: they note what they are asked, and give the mean."""
    asked = []

    def mean(noisy, sigma, profile, stage=None):
        asked.append(SimpleNamespace(shape=noisy.shape, sigma=sigma, profile=profile, stage=stage))
        return np.full(noisy.shape, noisy.mean())

    bm3d, bm4d = ModuleType("bm3d"), ModuleType("bm4d")
    bm3d.bm3d, bm4d.bm4d = mean, mean
    bm3d.BM3DProfile = type("Block", (), {})
    bm4d.BM4DProfile, bm4d.BM4DProfile2D = type("Deep", (), {}), type("Flat", (), {})
    bm4d.BM4DStages = SimpleNamespace(HARD_THRESHOLDING="first")
    for name, module in (("bm3d", bm3d), ("bm4d", bm4d)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("medclean.models._filter.find_spec", lambda package: package in sys.modules)
    return asked


def test_bm3d_gets_room_a_level_and_one_thread(monkeypatch):
    asked, model = packages(monkeypatch), made("bm3d")
    noisy = torch.rand(3, 1, 5, 40)
    levels = torch.tensor([0.0, 0.1, 0.2]).view(3, 1, 1, 1)
    denoised = model.denoise(noisy, replace(GIVEN, sigma=levels))
    assert torch.equal(denoised[0], noisy[0])
    assert denoised.shape == noisy.shape
    assert [call.shape for call in asked] == [(32, 40)] * 2
    assert [call.sigma for call in asked] == pytest.approx([0.1, 0.2])
    assert {call.profile.num_threads for call in asked} == {1}


@pytest.mark.parametrize("name", ["nlm", "tv", "wavelet", "adf"])
def test_filters_remove_the_bias_of_rician_noise(name):
    signal = torch.full((1, 1, 64, 64), 2.0)
    signal[..., :32] = 0
    noisy = torch.from_numpy(rician(signal.numpy().ravel(), 64 * 64)).float().view(signal.shape)
    plain, fair = (
        made(f"{name}:noise={noise}").denoise(noisy, replace(GIVEN, sigma=1.0))
        for noise in ("gaussian", "rician")
    )
    errors = [(denoised - signal).square().mean().sqrt() for denoised in (noisy, plain, fair)]
    assert errors[2] < 0.65 * errors[1] < errors[0]


@pytest.mark.parametrize("name", ["bm3d", "bm4d"])
def test_rician_noise_leaves_no_bias(monkeypatch, name):
    packages(monkeypatch)
    noisy = torch.from_numpy(30 * rician(1.0, 64 * 64)).float().view(1, 64, 64)
    noisy, given = noisy[None] if name == "bm3d" else noisy, replace(GIVEN, sigma=30.0)
    plain, fair = (made(f"{name}:noise={n}") for n in ("gaussian", "rician"))
    assert plain.denoise(noisy, given).mean() > 40
    assert fair.denoise(noisy, given).mean() == pytest.approx(30, abs=2)


@pytest.mark.parametrize(("slices", "blocks"), [(4, "Flat"), (5, "Deep")])
def test_bm4d_takes_a_series_in_two_stages(monkeypatch, slices, blocks):
    asked, model, shares = packages(monkeypatch), made("bm4d"), []
    given = replace(GIVEN, progress=shares.append)
    denoised = model.denoise(torch.rand(slices, 33, 40), given)
    assert denoised.shape == (slices, 33, 40)
    assert [call.shape for call in asked] == [(33, 40, slices)] * 2
    assert asked[0].stage == "first"
    assert asked[1].stage.shape == (33, 40, slices)
    assert {type(call.profile).__name__ for call in asked} == {blocks}
    assert shares == [0, 0.6, 1]


@pytest.mark.parametrize("name", ["bm3d", "bm4d"])
def test_an_extra_that_is_not_there_says_its_licence(monkeypatch, name):
    monkeypatch.setattr("medclean.models._filter.find_spec", lambda package: None)
    with pytest.raises(MissingError, match=f"non-commercial use only.*pip install {name}"):
        made(name)


@pytest.mark.parametrize("name", ["bm3d", "bm4d"])
@pytest.mark.parametrize("error", [ImportError, OSError])
def test_an_extra_that_is_broken_says_what_to_do(monkeypatch, tmp_path, name, error):
    (tmp_path / f"{name}.py").write_text(f"raise {error.__name__}('libfoo.so.3: not found')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(MissingError, match=rf"libfoo\.so\.3.*--force-reinstall {name}"):
        made(name)


@pytest.mark.slow
def test_stages_of_bm4d_one_by_one_give_what_it_gives():
    bm4d = pytest.importorskip("bm4d")
    noisy = np.random.default_rng(0).standard_normal((6, 40, 32)).astype(np.float32)
    whole = bm4d.bm4d(np.moveaxis(noisy, 0, -1), 0.5, bm4d.BM4DProfile())
    ours = made("bm4d").denoise(torch.from_numpy(noisy), replace(GIVEN, sigma=0.5))
    np.testing.assert_allclose(ours, np.moveaxis(whole, -1, 0), atol=1e-5)
