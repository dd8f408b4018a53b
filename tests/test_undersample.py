"""``medclean undersample`` from the command line to series, masks and k-space."""

import json
import subprocess
import sys

import nibabel
import numpy as np
import pytest
from pydicom import dcmread

import dicoms
from medclean.errors import Exit, UsageError
from medclean.jobs.undersample import UndersampleJob
from medclean.log import Log
from medclean.physics.signal.fourier import to_image, to_kspace
from medclean.pipelines.dry_run import dry_run
from medclean.pipelines.undersample import undersample
from multiframes import enhanced, frame
from test_denoise import manifest, tree

PNG = b"\x89PNG\r\n\x1a\n"


def run(study, out, mask="gaussian-1d:ratio=0.3", **settings):
    studies = study if isinstance(study, tuple) else (study,)
    how = {"mask": mask, "workers": 1} | settings
    return undersample(UndersampleJob(studies, out=out, **how), Log(quiet=True))


def stored(path):
    return dcmread(path).pixel_array.astype(float)


def record(out):
    """The k-space facts of the only series, and its arrays with the masks."""
    (series,) = manifest(out)["series"]
    facts = series["kspace"]
    arrays = [(np.load(out / a["kspace"]), np.load(out / a["mask"])) for a in facts["arrays"]]
    return facts, arrays


def beside(out):
    """Names of what lies beside the record."""
    names = {path.name for path in (out / "medclean-run").iterdir()}
    return {name for name in names if name.startswith(("kspace-", "mask-"))}


@pytest.fixture
def study(tmp_path):
    """An MR series of four slices, and a CT series."""
    dicoms.series(tmp_path / "study" / "mr", 4, modality="MR", bits=12)
    dicoms.series(tmp_path / "study" / "ct", 2, series=2, bits=12, intercept="-1024")
    return tmp_path / "study"


@pytest.mark.parametrize(
    ("name", "transform"),
    [("gaussian-1d", "2d"), ("radial", "2d"), ("equispaced", "3d"), ("poisson-disc", "3d")],
)
def test_the_result_is_the_image_of_what_was_sampled(study, tmp_path, name, transform):
    out, whole = tmp_path / "out", transform == "3d"
    done = run(study / "mr", out, f"{name}:ratio=0.4", transform=transform)
    assert (done.exit, done.done) == (Exit.DONE, 1)
    facts, [(kspace, mask)] = record(out)
    assert (kspace.dtype, kspace.shape) == (np.complex64, (4, 37, 33))
    assert (mask.dtype, mask.shape) == (bool, (4, 37, 33) if whole else (37, 33))
    assert not kspace[~np.broadcast_to(mask, kspace.shape)].any()
    assert facts["measured"] == pytest.approx(mask.mean())
    assert abs(facts["measured"] - 0.4) <= max(0.01, 1 / 37)
    axes = (0, 1, 2) if whole else (1, 2)
    source = np.stack([stored(study / "mr" / f"{n:04}.dcm") for n in range(1, 5)])
    np.testing.assert_allclose(kspace, to_kspace(source, axes) * mask, atol=0.05)
    result = np.stack([stored(out / f"{n:04}.dcm") for n in range(1, 5)])
    np.testing.assert_allclose(result, np.abs(to_image(kspace, axes)).clip(0, 4095), atol=0.51)
    slices = [path for path, number in facts["arrays"][0]["slices"] if number == 0]
    assert slices == [f"{n:04}.dcm" for n in range(1, 5)]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.unlink(), "missing: 1 slice between 0003.dcm and 0005.dcm; --allow-m"),
        (lambda path: move(path, 10.4), "uneven distances; --allow-missing takes them as even"),
    ],
    ids=["missing", "uneven"],
)
def test_a_volume_with_a_hole_has_no_k_space_unless_its_parts_are_asked_for(tmp_path, spoil, why):
    dicoms.series(tmp_path / "mr", 6, modality="MR", bits=12)
    spoil(tmp_path / "mr" / "0004.dcm")
    study, mask = tmp_path / "mr", "equispaced:ratio=0.5"
    look = UndersampleJob((study,), out=tmp_path / "none", mask=mask, transform="3d", dry_run=True)
    assert dry_run(look, Log(quiet=True)).exit == Exit.BAD_DATA
    assert run(study, tmp_path / "none", mask, transform="3d").exit == Exit.BAD_DATA
    assert why in manifest(tmp_path / "none")["series"][0]["reason"]
    parts = run(study, tmp_path / "parts", mask, transform="3d", allow_missing=True)
    assert parts.exit == Exit.DONE
    assert run(study, tmp_path / "slices", mask).exit == Exit.DONE
    assert (tmp_path / "slices" / "0005.dcm").exists()


def move(path, height):
    """An image to another place."""
    data = dcmread(path)
    data.ImagePositionPatient[2] = height
    data.save_as(path)


def test_masks_and_k_space_can_be_looked_at(study, tmp_path):
    run(study / "mr", tmp_path / "out")
    names = beside(tmp_path / "out")
    assert len(names) == 4
    for name in names:
        first = (tmp_path / "out" / "medclean-run" / name).read_bytes()[:8]
        assert first == (PNG if name.endswith(".png") else b"\x93NUMPY\x01\x00")


def test_derived_series_say_that_they_are_simulated(study, tmp_path):
    run(study / "mr", tmp_path / "out", "radial:acceleration=4", seed=7)
    data = dcmread(tmp_path / "out" / "0001.dcm")
    assert data.SeriesDescription == "SIMULATED Series 1 [medclean radial]"
    assert data.ImageComments == "Simulated degradation, not for diagnosis"
    assert data.DerivationDescription.endswith(": 0.25 of 2-D k-space, seed 7")
    assert [code.CodeValue for code in data.DerivationCodeSequence] == ["SIMKSPACE"]
    assert len(data.SourceImageSequence) == 1
    run(study / "mr", tmp_path / "volume", transform="3d")
    assert len(dcmread(tmp_path / "volume" / "0001.dcm").SourceImageSequence) == 4


def test_the_same_seed_gives_the_same_masks_on_any_shard(study, tmp_path):
    whole, parts, other = (tmp_path / name for name in ("whole", "parts", "other"))
    run(study, whole, seed=3, force=True, workers=2)
    for shard in ("2/2", "1/2"):
        run(study, parts, seed=3, force=True, shard=shard)
    assert tree(parts) == tree(whole)
    assert beside(parts) == beside(whole)
    for name in beside(whole):
        files = [(out / "medclean-run" / name).read_bytes() for out in (whole, parts)]
        assert files[0] == files[1]
    run(study / "mr", other, seed=4)
    assert not np.array_equal(record(other)[1][0][1], np.load(mask_of(whole, "0001.dcm")))


def mask_of(out, name):
    """Path of the mask of the series that has such an MR file."""
    series = next(s for s in manifest(out)["series"] if s["modality"] == "MR")
    assert series["kspace"]["arrays"][0]["slices"][0][0].endswith(name)
    return out / series["kspace"]["arrays"][0]["mask"]


def test_only_mr_has_a_k_space_unless_forced(study, tmp_path):
    done = run(study, tmp_path / "out")
    assert (done.exit, done.done, done.skipped) == (Exit.DONE, 1, 1)
    reasons = {line["path"]: line["reason"] for line in manifest(tmp_path / "out")["inputs"]}
    assert "k-space is sampled in MR, and these are CT images" in reasons["ct/0001.dcm"]
    assert run(study / "ct", tmp_path / "ct").exit == Exit.NOTHING_TO_DO
    assert (
        run(study / "ct", tmp_path / "ct", "equispaced:ratio=0.9", force=True, overwrite=True).done
        == 1
    )
    _, [(kspace, _)] = record(tmp_path / "ct")
    middle = kspace[0, 37 // 2, 33 // 2].real / np.sqrt(37 * 33)
    assert middle == pytest.approx((stored(study / "ct" / "0001.dcm") - 24).mean(), rel=0.01)


@pytest.mark.parametrize(
    ("mask", "hint"),
    [
        ("gausian-1d", "did you mean 'gaussian-1d'"),
        ("radial:rato=0.3", "did you mean 'ratio'"),
        ("radial:ratio=0.95", "expected 0.01 to 0.9"),
        ("radial:ratio=0.3,center=0.5", "expected 0 to the ratio"),
    ],
)
def test_masks_that_cannot_be_are_refused_before_anything_is_written(study, tmp_path, mask, hint):
    with pytest.raises(UsageError, match=hint):
        run(study, tmp_path / "out", mask)
    assert not (tmp_path / "out").exists()


def test_another_mask_is_refused_in_its_own_words(study, tmp_path):
    run(study / "mr", tmp_path / "out", "radial:ratio=0.3")
    with pytest.raises(UsageError, match=r"with mask ratio 0\.3, and this is mask ratio 0\.2;"):
        run(study / "mr", tmp_path / "out", "radial:ratio=0.2")


def test_nifti_stays_nifti(tmp_path):
    (tmp_path / "study").mkdir()
    values = dicoms.pattern((20, 24, 6), bits=12).astype(np.float32)
    nibabel.Nifti1Image(values, np.diag([-2, -2, 3, 1])).to_filename(tmp_path / "study" / "a.nii")
    done = run(tmp_path / "study", tmp_path / "out", "poisson-disc:ratio=0.5")
    assert done.exit == Exit.DONE
    _, [(kspace, _)] = record(tmp_path / "out")
    result = nibabel.load(tmp_path / "out" / "a.nii")
    assert result.get_data_dtype() == np.float32
    images = np.abs(to_image(kspace)).transpose(2, 1, 0)
    np.testing.assert_allclose(np.asarray(result.dataobj), images, rtol=1e-5)


def test_frames_and_groups_of_enhanced_images_have_their_k_space(tmp_path):
    """Two echoes are two groups: one array each."""
    echoes = [frame(2.5 * place, StackID=str(echo)) for echo in (1, 2) for place in range(3)]
    for number, groups in enumerate(echoes):
        groups.FrameContentSequence[0].StackID = str(number // 3 + 1)
    dicoms.save(enhanced(echoes), tmp_path / "study" / "a.dcm")
    assert run(tmp_path / "study", tmp_path / "out", "equispaced:ratio=0.9").exit == Exit.DONE
    facts, arrays = record(tmp_path / "out")
    assert len(arrays) == 2
    after = dcmread(tmp_path / "out" / "a.dcm").pixel_array
    for (kspace, _), array in zip(arrays, facts["arrays"], strict=True):
        for plane, (path, number) in zip(kspace, array["slices"], strict=True):
            assert path == "a.dcm"
            expected = np.abs(to_image(plane)).clip(0, 4095)
            np.testing.assert_allclose(after[number], expected, atol=0.51)


@pytest.mark.parametrize(
    ("shape", "arrays", "transform"),
    [
        ((4, 24, 20), "kspace", "2d"),
        ((3, 4, 24, 20), "images", "2d"),
        ((3, 4, 24, 20), "kspace", "3d"),
    ],
)
def test_coils_are_combined_by_root_sum_of_squares(tmp_path, shape, arrays, transform):
    rng = np.random.default_rng(0)
    coils = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
    (tmp_path / "study").mkdir()
    np.save(tmp_path / "study" / "coils.npy", coils)
    how = {"arrays": arrays, "transform": transform}
    done = run(tmp_path / "study", tmp_path / "out", "gaussian-2d:ratio=0.5", **how)
    assert (done.exit, done.done) == (Exit.DONE, 1)
    axes = (-4, -2, -1) if transform == "3d" else (-2, -1)
    whole = coils.reshape(-1, 4, 24, 20)
    _, [(kspace, mask)] = record(tmp_path / "out")
    sampled = (to_kspace(whole, axes) if arrays == "images" else whole) * (
        mask[:, None] if transform == "3d" else mask
    )
    np.testing.assert_allclose(kspace, sampled, atol=1e-5)
    expected = np.sqrt(np.square(np.abs(to_image(sampled, axes))).sum(1))
    result = np.load(tmp_path / "out" / "coils.npy")
    assert (result.dtype, result.shape) == (np.float32, (*shape[:-3], 24, 20))
    np.testing.assert_allclose(result, expected.reshape(result.shape), rtol=1e-4)


def test_one_complex_image_stays_complex(tmp_path):
    rng = np.random.default_rng(0)
    image = (rng.normal(size=(24, 20)) + 1j * rng.normal(size=(24, 20))).astype(np.complex128)
    np.save(tmp_path / "image.npy", image)
    run(tmp_path / "image.npy", tmp_path / "out", "gaussian-1d:ratio=0.5", arrays="images")
    _, [(_, mask)] = record(tmp_path / "out")
    result = np.load(tmp_path / "out" / "image.npy")
    assert result.dtype == np.complex64
    np.testing.assert_allclose(result, to_image(to_kspace(image) * mask), atol=1e-6)


def test_arrays_that_hold_no_coils_say_so(tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    np.save(study / "real.npy", np.zeros((4, 4)))
    np.save(study / "empty.npy", np.zeros((0, 4, 4), np.complex64))
    np.save(study / "objects.npy", np.array([{}], object), allow_pickle=True)
    np.save(study / "nan.npy", np.full((2, 4, 4), np.nan, np.complex64))
    (study / "torn.npy").write_bytes((study / "nan.npy").read_bytes()[:-9])
    done = run(study, tmp_path / "out")
    assert (done.exit, done.done, done.failed) == (Exit.BAD_DATA, 0, 4)
    lines = {line["path"]: line for line in manifest(tmp_path / "out")["inputs"]}
    assert lines["real.npy"]["status"] == "skipped"
    assert "expected complex numbers" in lines["real.npy"]["reason"]
    for name, hint in (
        ("empty", "without a value"),
        ("objects", "no array that can be read"),
        ("torn", "no array that can be read"),
        ("nan", "no finite numbers"),
    ):
        assert lines[f"{name}.npy"]["status"] == "failed"
        assert hint in lines[f"{name}.npy"]["reason"]


def test_a_stopped_run_goes_on_to_the_same_bytes(study, tmp_path):
    """A file of a series is damaged, so that what was staged before it waits."""
    bad, out, whole = study / "mr" / "0003.dcm", tmp_path / "out", tmp_path / "whole"
    content = bad.read_bytes()
    bad.write_bytes(content[:-400])
    assert run(study / "mr", out).exit == Exit.BAD_DATA
    assert not beside(out)
    bad.write_bytes(content)
    assert run(study / "mr", out).exit == Exit.DONE
    run(study / "mr", whole)
    assert tree(out) == tree(whole)
    for name in beside(whole):
        files = [(folder / "medclean-run" / name).read_bytes() for folder in (whole, out)]
        assert files[0] == files[1]


def test_lost_k_space_is_made_again(study, tmp_path):
    out = tmp_path / "out"
    run(study / "mr", out)
    kspace = out / manifest(out)["series"][0]["kspace"]["arrays"][0]["kspace"]
    before = kspace.read_bytes()
    kspace.unlink()
    assert run(study / "mr", out).exit == Exit.DONE
    assert kspace.read_bytes() == before


def test_the_program_says_what_it_sampled(study, tmp_path):
    program = [sys.executable, "-m", "medclean", "undersample", str(study / "mr")]
    words = ["-o", str(tmp_path / "out"), "--mask", "equispaced:acceleration=4"]
    done = subprocess.run([*program, *words], capture_output=True, text=True, check=True)
    assert "0.25 of k-space asked, 0.2432 sampled" in done.stdout
    again = subprocess.run([*program, *words, "--json"], capture_output=True, check=True)
    (series,) = json.loads(again.stdout)["kspace"]
    assert series["measured"] == pytest.approx(9 / 37)
