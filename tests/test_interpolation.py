"""Images that a scanner interpolated are told from others, and denoised as it measured them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread

import dicoms
import phantoms
from medclean.errors import Exit, UsageError
from medclean.inference.denoiser import Denoiser
from medclean.inference.engine import Engine
from medclean.inference.ladder import Rung
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.models._base import Model
from medclean.physics.signal.fourier import to_kspace
from medclean.physics.signal.interpolation import Band, band, factors, fill, thin
from medclean.pipelines.denoise import denoise
from medclean.volume import Given
from tiny import tiny

GIVEN = Given("au", 1000.0, (1.0, 1.0, 1.0), "MR")
Array = NDArray[np.float32]


def scanned(clean: Array, shape: tuple[int, int], sigma: float = phantoms.SIGMA["MR"]) -> Array:
    """Magnitudes of samples with noise in both channels, shown in as many pixels as ``shape``."""
    channels = np.random.default_rng(2).normal(0, sigma, (2, *clean.shape)).astype(np.float32)
    real, imaginary = (
        fill(part, (*clean.shape[:-2], *shape)) for part in (clean + channels[0], channels[1])
    )
    return np.hypot(real, imaginary)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((160, 160), (1, 1)), ((320, 320), (2, 2)), ((320, 160), (2, 1)), ((160, 320), (1, 2))],
)
@pytest.mark.parametrize("sigma", [20, 50, 100, 200, 300])
def test_interpolation_shows_in_the_noise_along_each_axis(shape, expected, sigma):
    bands = [band(image) for image in scanned(phantoms.clean("MR", 5), shape, sigma)]
    assert factors(bands, phantoms.SCALE["MR"]) == expected


@pytest.mark.parametrize("share", [0.4, 0.5, 0.7, 1.0])
def test_the_band_that_noise_fills_is_measured(share):
    rng = np.random.default_rng(0)
    size = round(share * 400)
    image = fill(rng.normal(100, 1, (size, 400)).astype(np.float32), (400, 400))
    found = band(image)
    assert found.rows == pytest.approx(share, abs=0.02)
    assert found.columns == pytest.approx(1.0, abs=0.05)


def test_padding_is_no_part_of_the_image():
    (image,) = scanned(phantoms.clean("MR", 1), (320, 320))
    padded = np.full((400, 330), -5000, np.float32)
    padded[40:360, 5:325] = image
    mask = padded > -5000
    assert band(padded, mask) == pytest.approx(band(image), rel=0.05)


def test_what_has_no_noise_or_no_body_says_nothing():
    assert band(np.zeros((64, 64), np.float32)) is None
    assert band(np.random.default_rng(0).random((5, 900), np.float32)) is None
    assert band(np.random.default_rng(0).random((40, 40), np.float32)) is None
    assert factors([], 1.0) == (1, 1)


def test_most_slices_of_a_series_decide():
    fine, white = Band(0.45, 0.9, 0.05), Band(0.9, 0.9, 0.05)
    assert factors([fine, white, fine], 1.0) == (2, 1)
    assert factors([fine, white, white], 1.0) == (1, 1)


def test_without_noise_there_is_nothing_to_tell_from():
    clean = phantoms.clean("MR", 3)  # which is smooth: its own band is narrow
    assert factors([Band(0.45, 0.45, 0.009)], 1.0) == (1, 1)
    assert factors([Band(0.45, 0.45, 0.011)], 1.0) == (2, 2)
    assert factors([band(image) for image in clean], phantoms.SCALE["MR"]) == (1, 1)
    sample = Path(__file__).parent.parent / "sample_data" / "mr" / "clean"
    images = [dcmread(path).pixel_array.astype(np.float32) for path in sample.glob("*.dcm")]
    assert factors([band(image) for image in images], float(np.percentile(images, 99.9))) == (1, 1)


@pytest.mark.parametrize("shape", [(61, 33), (64, 48), (65, 48)])
def test_samples_keep_their_height_and_their_place(shape):
    rng = np.random.default_rng(0)
    smooth = fill(rng.normal(5, 1, (2, 1, 21, 17)).astype(np.float32), (2, 1, *shape))
    wide = fill(smooth, (2, 1, 2 * shape[0], 2 * shape[1]))
    assert wide.dtype == np.float32
    np.testing.assert_allclose(thin(wide, (2, 2)), smooth, atol=1e-5)
    np.testing.assert_allclose(thin(wide, (1, 2))[..., shape[0] % 2 :: 2, :], smooth, atol=1e-5)
    assert thin(smooth, (2, 1)).shape == (2, 1, -(-shape[0] // 2), shape[1])
    flat = np.full((1, *shape), 7, np.float32)
    np.testing.assert_allclose(thin(flat, (2, 2)), 7, rtol=1e-6)


class Halves(Model):
    """Takes half of everything away."""

    kind, scope, context, receptive_field, stride = "network", "slice", 1, 0, 1

    def forward(self, images, given):
        self.seen = tuple(images.shape[-2:])
        return images[:, [images.shape[1] // 2]] / 2


def test_an_engine_leaves_alone_what_lies_beyond_the_samples():
    rng = np.random.default_rng(0)
    image = rng.normal(0, 1, (1, 3, 96, 80)).astype(np.float32)
    engine = Engine.on(Rung("cpu", 1), Halves(None), normaliser=None)
    result = engine.denoise(image, replace(GIVEN, interpolated=(2, 1)))
    assert engine.model.seen == (48, 80)
    before, after = to_kspace(image[:, 1]), to_kspace(result)
    measured = np.s_[:, 25:71, :]  # half of the rows' frequencies, but for the highest
    np.testing.assert_allclose(after[measured], before[measured] / 2, atol=1e-4)
    beyond = np.r_[0:24, 73:96]
    np.testing.assert_allclose(after[:, beyond], before[:, beyond], atol=1e-4)
    blended = replace(engine, strength=0.5).denoise(image, replace(GIVEN, interpolated=(2, 1)))
    np.testing.assert_allclose(blended, (image[:, 1] + result) / 2, atol=1e-6)


def test_what_tiles_change_is_measured_at_the_samples():
    image = np.random.default_rng(0).random((1, 1, 300, 200), np.float32)
    engine = Engine.on(Rung("cpu", 1, tile=160), tiny("rrg"), normaliser=None)
    found = engine.tiles_differ(image, replace(GIVEN, interpolated=(2, 1)))
    assert found == engine.tiles_differ(thin(image, (2, 1)), GIVEN) != 0


def run(tmp_path, values, name, **settings):
    """Denoise a NIfTI file by the weights that ship: its record, and what came of it."""
    study, out = tmp_path / f"{name}.nii.gz", tmp_path / name
    nibabel.Nifti1Image(values.T, np.diag([1, 1, 3, 1.0])).to_filename(study)
    job = DenoiseJob((study,), "dgan", out=out, modality="MR", **settings)
    assert denoise(job, Log(quiet=True)).exit == Exit.DONE
    (record,) = json.loads((out / "medclean-run" / "manifest.json").read_text())["series"]
    return record, nibabel.load(out / study.name).get_fdata().T


def test_an_interpolated_series_is_denoised_at_its_samples(tmp_path):
    clean = phantoms.clean("MR", 3)
    noisy = scanned(clean, (320, 320), sigma=60)
    truth = fill(clean, noisy.shape)
    inside = truth > 100
    error = {}
    for native in ("auto", "off"):
        record, result = run(tmp_path, noisy, native, native=native)
        assert record.get("interpolated") == ([[2, 2]] if native == "auto" else None)
        error[native] = np.sqrt(np.mean((result - truth)[inside] ** 2))
    before = np.sqrt(np.mean((noisy - truth)[inside] ** 2))
    assert error["auto"] < 0.5 * before
    assert error["off"] > 0.9 * before  # the network takes noise that neighbours share for detail


def test_stacks_of_one_series_are_told_apart(tmp_path):
    clean = phantoms.clean("MR", 3)
    for number, image in enumerate([*scanned(clean, (320, 160)), *scanned(clean, (160, 160))]):
        data = dicoms.image(image.round().astype(np.uint16), modality="MR", bits=12, number=number)
        dicoms.save(data, tmp_path / "study" / f"{number}.dcm")
    words = (
        "denoise",
        tmp_path / "study",
        "--model",
        "dgan",
        "--out",
        tmp_path / "out",
        "--report",
    )
    subprocess.run([sys.executable, "-m", "medclean", *map(str, words)], check=True)
    (record,) = json.loads((tmp_path / "out/medclean-run/manifest.json").read_text())["series"]
    assert sorted(record["interpolated"]) == [[1, 1], [2, 1]]
    assert "2 x 1 pixels a sample" in (tmp_path / "out/medclean-run/report.html").read_text()


def test_an_output_of_before_is_not_gone_on_with(tmp_path):
    values = phantoms.noisy(phantoms.clean("MR", 3), "MR")
    run(tmp_path, values, "a", native="off")
    for journal in (tmp_path / "a" / "medclean-run").glob("journal*"):
        journal.write_text(journal.read_text().replace('"native":"off",', ""))
    with pytest.raises(UsageError, match="native 'off', and this is native 'auto'"):
        run(tmp_path, values, "a")
    assert run(tmp_path, values, "a", native="off")[0]["status"] == "done"


def test_a_series_that_was_not_interpolated_is_taken_as_it_is(tmp_path):
    noisy = phantoms.noisy(phantoms.clean("MR", 3), "MR")
    record, result = run(tmp_path, noisy, "auto")
    assert "interpolated" not in record
    np.testing.assert_array_equal(run(tmp_path, noisy, "off", native="off")[1], result)


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ({"noise": "gaussian:sigma=0..0.3|rician:sigma=0..0.3"}, True),
        ({"noise": "gaussian:sigma=0..0.3, then chi:sigma=0.1"}, True),
        ({"noise": "gaussian:sigma=0.1, then motion:level=0.2"}, False),
        ({"noise": "gaussian:sigma=0.1|speckle:sigma=0.1"}, False),
        ({"noise": "gaussian:sigma=0.1", "training": {"mask": "radial"}}, False),
        ({"noise": ""}, False),
    ],
)
def test_only_a_network_that_learnt_white_noise_is_meant(card, expected):
    denoiser = Denoiser.of("dgan")
    loaded = denoiser.loaded("MR")
    other = replace(denoiser, trained={"MR": loaded._replace(card=replace(loaded.card, **card))})
    assert other.knows_white_noise("MR") is expected


def test_filters_and_other_modalities_are_not_meant():
    assert not Denoiser.of("nlm").knows_white_noise("MR")
    assert not Denoiser.of("dgan", force=True).knows_white_noise("CT")
