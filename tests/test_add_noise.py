"""``medclean add-noise`` from the command line to the derived files."""

import json
import subprocess
import sys
from dataclasses import replace

import nibabel
import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from pydicom import dcmread

import dicoms
from medclean.archive.numbers import Encoding, Pixels, to_stored
from medclean.archive.series import digest_of
from medclean.catalog import NOISES
from medclean.errors import Exit, UsageError
from medclean.inference.noising import Part, measured, noise_of
from medclean.jobs.add_noise import AddNoiseJob
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.physics.noise._chain import Chain
from medclean.pipelines._noising import AddingNoise
from medclean.pipelines.add_noise import add_noise
from medclean.pipelines.denoise import denoise
from medclean.volume import Given
from multiframes import enhanced, frame
from test_denoise import manifest, tree

SPACING = {"spacing": (0.7, 0.7)}


def run(study, out, *noise, **settings):
    studies = study if isinstance(study, tuple) else (study,)
    how = {"noise": noise or ("gaussian:sigma=0.05",), "workers": 1} | settings
    return add_noise(AddNoiseJob(studies, out=out, **how), Log(quiet=True))


def disk(number=1, shape=(96, 80), top=2000, low=0):
    """A bright disk, which is a body."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    inside = np.hypot(y - shape[0] / 2, x - shape[1] / 2) < 0.4 * min(shape)
    return np.where(inside, top, low).astype(np.uint16 if low >= 0 else np.int16) + number


@pytest.fixture
def study(tmp_path):
    """An MR, a CT and a PET series, each a disk."""
    for name, modality, top, how in (
        ("mr", "MR", 2000, {}),
        ("ct", "CT", 1100, {"intercept": "-1024", **SPACING}),
        ("pt", "PT", 9000, {"slope": "2.5"}),
    ):
        for number in (1, 2, 3):
            data = dicoms.image(
                disk(number, top=top), modality=modality, number=number, series=name, **how
            )
            dicoms.save(data, tmp_path / "study" / name / f"{number}.dcm")
    return tmp_path / "study"


def stored(path):
    return dcmread(path).pixel_array.astype(float)


def test_every_modality_gets_noise_of_the_level_that_was_asked_for(study, tmp_path):
    done = run(study, tmp_path / "out", "gaussian:sigma=0.02")
    assert (done.exit, done.done) == (Exit.DONE, 3)
    assert {series["modality"] for series in done.noise} == {"MR", "CT", "PT"}
    for series in done.noise:
        assert series["measured"] == pytest.approx(series["asked"], rel=0.05)
        assert series["after"] == pytest.approx(series["asked"], rel=0.15)
    asked = {series["modality"]: (series["asked"], series["unit"]) for series in done.noise}
    assert asked["CT"] == (80, "HU")
    assert asked["MR"][0] == pytest.approx(0.02 * 2003, rel=0.01)


def test_derived_series_say_that_they_are_simulated(study, tmp_path):
    comment = dcmread(study / "mr" / "1.dcm")
    comment.ImageComments = "of the source"
    comment.save_as(study / "mr" / "1.dcm")
    run(study / "mr", tmp_path / "out", "rician:sigma=0.05", "spike:count=2", seed=7)
    data = dcmread(tmp_path / "out" / "1.dcm")
    assert data.SeriesDescription == "SIMULATED Series mr [medclean rician+spike]"
    assert data.ImageComments == "Simulated degradation, not for diagnosis; of the source"
    assert "rician:sigma=0.05" in data.DerivationDescription
    assert data.DerivationDescription.endswith("spike:count=2,amplitude=0.1; seed 7")
    assert data.ImageType[:2] == ["DERIVED", "SECONDARY"]
    assert [code.CodeValue for code in data.DerivationCodeSequence] == ["SIMNOISE"]
    assert dcmread(tmp_path / "out" / "2.dcm").ImageComments.endswith("not for diagnosis")


def test_what_was_made_worse_is_for_networks_too_where_it_is_let_in(study, tmp_path):
    run(study / "mr", tmp_path / "noisy", "gaussian:sigma=0.05")
    asked = DenoiseJob((tmp_path / "noisy",), "dgan", out=tmp_path / "out")
    assert denoise(asked, Log(quiet=True)).exit == Exit.NOTHING_TO_DO
    assert denoise(replace(asked, include=("own",)), Log(quiet=True)).exit == Exit.DONE


def test_the_same_seed_draws_the_same_whatever_is_around(study, tmp_path):
    """Shards, workers, order, and what else is selected make no difference."""
    whole, parts, one = (tmp_path / name for name in ("whole", "parts", "one"))
    run(study, whole, seed=3, workers=2)
    for shard in ("2/2", "1/2"):
        run(study, parts, seed=3, shard=shard)
    assert tree(parts) == tree(whole)
    for seed, out in ((3, one), (4, tmp_path / "other")):
        run(study, out, "gaussian:sigma=50au", seed=seed, select=("path~mr/2.dcm",))
    before = [stored(study / "mr" / f"{number}.dcm") for number in "123"]
    added = [stored(whole / "mr" / f"{n}.dcm") - b for n, b in zip("123", before, strict=True)]
    assert abs(np.corrcoef(added[0][40:60].ravel(), added[1][40:60].ravel())[0, 1]) < 0.1
    same, other = (stored(tmp_path / n / "mr/2.dcm") - before[1] for n in ("one", "other"))
    body = before[1] > 1000
    assert np.corrcoef(same[body], added[1][body])[0, 1] > 0.99
    assert abs(np.corrcoef(other[body], added[1][body])[0, 1]) < 0.1


def test_noises_are_added_in_order(study, tmp_path):
    salt, body = "salt-pepper:share=0.5", stored(study / "mr" / "1.dcm") > 1000
    run(study / "mr", tmp_path / "last", "gaussian:sigma=0.05", salt)
    run(study / "mr", tmp_path / "first", salt, "gaussian:sigma=0.05")
    lost = [(stored(tmp_path / name / "1.dcm")[body] == 0).mean() for name in ("last", "first")]
    assert lost == pytest.approx([0.25, 0.125], abs=0.03)


@pytest.mark.parametrize(
    ("noise", "done", "why"),
    [
        ("rician", {"MR"}, "rician is a noise of MR images, and these are CT; --force"),
        ("low-dose:n0=1e5", {"CT"}, "low-dose is a noise of CT images, and these are MR; --force"),
        ("counts", {"PT"}, "counts is a noise of PT images, and these are CT; --force"),
        ("gaussian:sigma=20HU", {"CT"}, "expected 0.05, 5% or a number in au"),
    ],
)
def test_what_a_series_cannot_have_is_a_reason_to_skip_it(study, tmp_path, noise, done, why):
    ended = run(study, tmp_path / "out", noise)
    assert (ended.exit, ended.done, ended.skipped) == (Exit.DONE, 1, 2)
    assert {series["modality"] for series in ended.noise} == done
    reasons = {line["reason"] for line in manifest(tmp_path / "out")["inputs"] if line["reason"]}
    assert any(why in reason for reason in reasons)


def test_only_series_that_cannot_have_it_are_nothing_to_do_unless_forced(study, tmp_path):
    assert run(study / "ct", tmp_path / "out", "chi").exit == Exit.NOTHING_TO_DO
    done = run(study / "ct", tmp_path / "out", "chi:coils=1,sigma=20HU", force=True, overwrite=True)
    assert done.exit == Exit.DONE
    air = stored(tmp_path / "out" / "1.dcm")[:4, :4]
    assert (air >= 24).all()  # -1000 HU, from which magnitudes are counted


def test_rays_need_square_pixels(tmp_path):
    data = dicoms.image(disk(), intercept="-1024", spacing=(0.7, 0.9))
    dicoms.save(data, tmp_path / "study" / "a.dcm")
    assert run(tmp_path / "study", tmp_path / "out", "low-dose:n0=1e5").exit == Exit.NOTHING_TO_DO
    assert "rays need square" in manifest(tmp_path / "out")["series"][0]["reason"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["rican:sigma=0.1"], "did you mean 'rician'"),
        (["rician:sgma=0.1"], "did you mean 'sigma'"),
        (["rician:sigma=-1"], "expected 0 or more"),
        (["low-dose:dose=2"], "expected above 0 to 1"),
    ],
)
def test_noises_that_do_not_exist_are_refused_before_anything_is_written(
    study, tmp_path, words, hint
):
    with pytest.raises(UsageError, match=hint):
        run(study, tmp_path / "out", *words)
    assert not (tmp_path / "out").exists()


def test_nifti_stays_nifti(tmp_path):
    values = np.stack([disk(number) for number in range(4)], -1).astype(np.int16)
    (tmp_path / "study").mkdir()
    nibabel.Nifti1Image(values, np.diag([-2, -2, 3, 1])).to_filename(
        tmp_path / "study" / "a.nii.gz"
    )
    (tmp_path / "study" / "a.json").write_text('{"Modality": "MR"}')
    done = run(tmp_path / "study", tmp_path / "out", "rician:sigma=0.05")
    assert (done.exit, done.files) == (Exit.DONE, 2)
    noisy = nibabel.load(tmp_path / "out" / "a.nii.gz")
    assert noisy.get_data_dtype() == np.int16
    added = np.asarray(noisy.dataobj)[values > 1000] - values[values > 1000]
    assert added.std() == pytest.approx(0.05 * 2003, rel=0.05)


def test_frames_of_enhanced_images_have_noise_of_their_own(tmp_path):
    data = enhanced([frame(2.5 * place) for place in range(3)])
    dicoms.save(data, tmp_path / "study" / "a.dcm")
    assert run(tmp_path / "study", tmp_path / "out").exit == Exit.DONE
    before, after = (dcmread(tmp_path / f / "a.dcm").pixel_array for f in ("study", "out"))
    added = after.astype(float) - before
    assert (added.std((1, 2)) > 0).all()
    assert (added[0] != added[1]).any()


def test_a_stopped_run_goes_on_to_the_same_bytes(study, tmp_path):
    """A file of a series is damaged, so that what was staged before it waits."""
    bad = study / "mr" / "3.dcm"
    content = bad.read_bytes()
    bad.write_bytes(content[:-400] + bytes(400))
    whole, out = tmp_path / "whole", tmp_path / "out"
    bad.write_bytes(content[:-400])
    assert run(study / "mr", out, seed=5).exit == Exit.BAD_DATA
    bad.write_bytes(content)
    assert run(study / "mr", out, seed=5).exit == Exit.DONE
    run(study / "mr", whole, seed=5)
    assert tree(out) == tree(whole)


def test_an_output_of_another_command_or_noise_is_refused(study, tmp_path):
    run(study / "mr", tmp_path / "out", "rician:sigma=0.05")
    with pytest.raises(UsageError, match="was written with"):
        run(study / "mr", tmp_path / "out", "rician:sigma=0.06")


def test_low_dose_is_the_same_here_as_in_workers(study, tmp_path, monkeypatch):
    """What a GPU computes in this process, a processor computes in workers."""
    run(study / "ct", tmp_path / "workers", "low-dose:dose=0.25,n0=2e5")
    whole = AddingNoise.of

    def here(job):
        return replace(whole(job), device="cpu:0")

    monkeypatch.setattr(AddingNoise, "of", here)
    run(study / "ct", tmp_path / "here", "low-dose:dose=0.25,n0=2e5")
    for number in "123":
        one, other = (stored(tmp_path / f / f"{number}.dcm") for f in ("workers", "here"))
        assert np.abs(one - other).max() <= 1
        assert (one - stored(study / "ct" / f"{number}.dcm"))[40:60, 30:50].std() > 5


def test_noise_that_does_not_fit_onto_a_gpu_is_computed_by_workers(study, tmp_path, monkeypatch):
    run(study / "ct", tmp_path / "workers", "low-dose:dose=0.25,n0=2e5")
    whole = AddingNoise.of
    monkeypatch.setattr(AddingNoise, "of", lambda job: replace(whole(job), device="cpu:0"))

    def full(self, image, rng, given):
        if given.device != "cpu":
            raise torch.OutOfMemoryError("all is taken")
        return image

    monkeypatch.setattr(Chain, "__call__", full)  # here, and not in workers
    run(study / "ct", tmp_path / "out", "low-dose:dose=0.25,n0=2e5")
    assert tree(tmp_path / "out") == tree(tmp_path / "workers")


def test_frames_that_nobody_describes_get_no_noise(tmp_path):
    data = enhanced([frame()])
    del data.PerFrameFunctionalGroupsSequence, data.SharedFunctionalGroupsSequence
    dicoms.save(data, tmp_path / "study" / "a.dcm")
    assert run(tmp_path / "study", tmp_path / "out").exit == Exit.NOTHING_TO_DO


def test_the_program_says_what_it_measured(study, tmp_path):
    program = [sys.executable, "-m", "medclean", "add-noise", str(study / "mr")]
    words = ["-o", str(tmp_path / "out"), "--noise", "gaussian:sigma=0.05"]
    done = subprocess.run([*program, *words], capture_output=True, text=True, check=True)
    assert "asked, " in done.stdout
    assert done.stdout.endswith("1 series done, 0 skipped, 0 failed: 3 files in out\n")
    again = subprocess.run([*program, *words, "--json"], capture_output=True, check=True)
    (series,) = json.loads(again.stdout)["noise"]
    assert series["unit"] == "au"


@drawn(st.floats(0.02, 0.3), st.sampled_from(["gaussian", "gaussian-map", "poisson-gaussian"]))
@settings(max_examples=15, deadline=None)
def test_measured_sigma_is_the_one_asked_for(sigma, name):
    """Of a body that equals its scale, where every noise has the level that it states."""
    source = disk(0, shape=(128, 128), low=0)[None]
    encoding = Encoding((2.0,), (0.0,), 0, 65535)
    pixels = Pixels(source, np.zeros(source.shape, bool), encoding, digest_of(source))
    noise, rng = NOISES.make(f"{name}:sigma={sigma}"), np.random.default_rng(0)
    noisy = Chain((noise,))(pixels.real[0], rng, Given("au", 4000.0, (1.0, 1.0, 1.0), "MR"))
    part = noise_of(pixels, to_stored(noisy[None], pixels), "MR")
    assert measured([Part(**part)]).added == pytest.approx(sigma * 4000, rel=0.05)
