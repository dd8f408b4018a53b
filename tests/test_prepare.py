"""From an archive to a data set: whose images they are, what they say, and what is added later."""

import json
import shutil

import nibabel
import numpy as np
import pydicom
import pytest
from scipy import ndimage

import dicoms
import phantoms
from little_dataset import write_image
from medclean.archive.cases import CASES
from medclean.archive.dataset import prepared, split
from medclean.archive.nifti.read import read_volume
from medclean.errors import DataError, Exit, UsageError
from medclean.jobs.prepare import PrepareJob
from medclean.log import Log
from medclean.pipelines.prepare import prepare

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}


def write_series(folder, patient="P1", *, slices=3, modality="CT", skip=(), **how):
    """Slices of a body, of which some may be missing."""
    images = phantoms.clean(modality, slices, 48)
    offset = 1024 if modality == "CT" else 0
    how = {"intercept": str(-offset), "PatientID": patient, "modality": modality} | how
    for number, image in enumerate(images, 1):
        if number not in skip:
            stored = np.rint(image + offset).astype(np.uint16)
            data = dicoms.image(stored, number=number, bits=12, **how)
            dicoms.save(data, folder / f"{number:04}.dcm")
    return folder


def run(archive, out, **how):
    how = {"bias": "none", "workers": 1} | how
    return prepare(PrepareJob(archive, out, **how), Log(quiet=True))


def cases(out):
    return json.loads((out / CASES).read_text())["cases"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Three patients, one of them twice, and a text."""
    root = tmp_path_factory.mktemp("archive")
    for number, patient in enumerate(("P1", "P2", "P3", "P1")):
        about = {"series": number, "study": number, "planted": number == 3, "PatientID": patient}
        write_series(root / f"Doe_{number}", orientation=dicoms.OBLIQUE, **about)
    (root / "notes.txt").write_text("no image")
    return root


@pytest.fixture(scope="module")
def dataset(archive, tmp_path_factory):
    out = tmp_path_factory.mktemp("dataset") / "set"
    summary = run(archive, out)
    assert (summary.exit, summary.done) == (Exit.DONE, 4)
    return out


def test_each_series_is_a_case_of_its_patient_in_one_split(dataset):
    known = json.loads((dataset / CASES).read_text())
    assert len(known["cases"]) == 4
    assert len(known["patients"]) == 3
    assert {home["split"] for home in known["patients"].values()} == set(SHARES)
    for case in known["cases"]:
        assert case["split"] == known["patients"][case["patient"]]["split"]
        assert (case["modality"], case["unit"], case["shape"]) == ("CT", "HU", [3, 48, 48])
        assert case["spacing"] == [2.5, 0.75, 0.5]
        assert case["checks"]["converter"] == "dcm2niix"
        assert case["acquisition"]["KVP"] == 120


def test_images_are_what_our_own_reader_sees(dataset, archive, tmp_path):
    run(archive, tmp_path / "own", converter="medclean")
    wanted = phantoms.clean("CT", 3, 48)
    for case, own in zip(cases(dataset), cases(tmp_path / "own"), strict=True):
        volume = read_volume(dataset / case["files"]["image"], "CT")
        assert own["checks"]["converter"] == "medclean"
        ours = read_volume(tmp_path / "own" / own["files"]["image"], "CT")
        flipped = volume.array[:, ::-1]  # dcm2niix counts rows from below
        np.testing.assert_array_equal(flipped, ours.array)
        np.testing.assert_array_equal(ours.array, np.rint(wanted + 1024) - 1024)
        corner = volume.affine @ (0, 47, 0, 1)
        np.testing.assert_allclose(corner, ours.affine @ (0, 0, 0, 1), atol=1e-3)


def test_nothing_that_identifies_leaves_the_archive(dataset):
    told = [*dicoms.PLANTED, "P1", "P2", "P3", "Doe"]
    for path in dataset.rglob("*"):
        assert not any(word in path.name for word in told)
        if path.is_file() and "medclean-run" not in path.parts:
            content = path.read_bytes()
            if path.suffix == ".gz":
                content = nibabel.load(path).header.binaryblock
            assert not any(word.encode() in content for word in told), path


def test_a_second_run_redoes_nothing_and_adds_what_is_new(archive, dataset, tmp_path):
    out, more = tmp_path / "set", tmp_path / "archive"
    shutil.copytree(dataset, out)
    shutil.copytree(archive, more)
    before = (out / CASES).read_bytes()
    images = {path: path.stat().st_mtime_ns for path in out.rglob("*.gz")}
    assert run(archive, out).done == 4
    assert (out / CASES).read_bytes() == before
    for number in range(3):
        write_series(more / f"new {number}", f"N{number}", series=f"n{number}", study=f"n{number}")
    assert run(more, out).done == 7
    known, old = json.loads((out / CASES).read_text()), json.loads(before)
    assert len(known["cases"]) == 7
    assert {p: known["patients"][p] for p in old["patients"]} == old["patients"]
    assert {p: p.stat().st_mtime_ns for p in images} == images


def test_training_reads_what_was_prepared(dataset):
    data = prepared(dataset)
    assert (len(data.cases), data.modality, data.body_parts) == (4, "CT", ["head"])
    parts = split(data, SHARES, 7)
    recorded = {entry["files"]["image"]: entry["split"] for entry in cases(dataset)}
    assert {case.name: name for name in parts for case in parts[name]} == recorded
    volume = data.cases[0].read()
    assert (volume.unit, volume.scale, volume.array.shape) == ("HU", 4000.0, (3, 48, 48))
    with pytest.raises(UsageError, match="state that they are CT; say --modality CT"):
        prepared(dataset, modality="MR")


def test_nifti_trees_are_taken_as_they_are(tmp_path):
    names = ("sub-01/ses-a/anat/sub-01_T1w", "sub-02/anat/sub-02_T1w")
    sources = [write_image(tmp_path / "in" / f"{n}.nii.gz", s) for s, n in enumerate(names)]
    summary = run(tmp_path / "in", tmp_path / "out")
    assert summary.exit == Exit.DONE
    made = [read_volume(tmp_path / "out" / case["files"]["image"]) for case in summary.cases]
    for case in summary.cases:
        assert case["case"].endswith("_T1w")
        assert (case["body_part"], case["checks"]["converter"]) == ("head", "nifti")
    for wanted in map(read_volume, sources):
        (volume,) = (v for v in made if np.array_equal(v.array, wanted.array))
        np.testing.assert_array_equal(volume.affine, wanted.affine)
        assert volume.modality == "MR"


def test_a_series_with_missing_slices_fails_by_name_or_is_taken_in_parts(tmp_path):
    write_series(tmp_path / "in", slices=9, skip=(5, 6))
    summary = run(tmp_path / "in", tmp_path / "out")
    assert (summary.exit, summary.cases) == (Exit.BAD_DATA, ())
    manifest = json.loads((tmp_path / "out" / "medclean-run" / "manifest.json").read_text())
    reason = manifest["series"][0]["reason"]
    assert "2 slices between 0004.dcm and 0007.dcm" in reason
    summary = run(tmp_path / "in", tmp_path / "parts", allow_missing=True)
    assert [case["shape"][0] for case in summary.cases] == [4, 3]


def test_a_series_at_uneven_distances_fails_or_is_taken_as_even_and_says_so(tmp_path):
    for number, height in enumerate((0, 2, 4, 6.8, 8.8), 1):
        data = dicoms.image(number=number, position=(0.0, 0.0, height))
        dicoms.save(data, tmp_path / "in" / f"{number}.dcm")
    assert run(tmp_path / "in", tmp_path / "out").exit == Exit.BAD_DATA
    manifest = json.loads((tmp_path / "out" / "medclean-run" / "manifest.json").read_text())
    assert manifest["series"][0]["reason"] == (
        "its slices lie at uneven distances; --allow-missing takes them as even ones"
    )
    (case,) = run(tmp_path / "in", tmp_path / "even", allow_missing=True).cases
    assert case["spacing"][0] == pytest.approx(2.2)
    assert case["checks"]["notes"] == ["its slices lie at uneven distances"]


def test_an_archive_without_images_says_what_was_expected(tmp_path, capfd):
    (tmp_path / "in").mkdir()
    assert run(tmp_path / "in", tmp_path / "out").exit == Exit.NOTHING_TO_DO
    assert "expected MR, CT or PET images" in capfd.readouterr().err


def test_what_does_not_say_what_its_images_are_is_skipped(tmp_path):
    kind = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]
    mosaic = dicoms.image(modality="MR", series=7, ImageType=kind, PatientID="P1")
    dicoms.save(mosaic, tmp_path / "in" / "mosaic.dcm")
    write_series(tmp_path / "in" / "ct")
    summary = run(tmp_path / "in", tmp_path / "out")
    assert (summary.exit, summary.done, summary.skipped) == (Exit.DONE, 1, 1)
    manifest = json.loads((tmp_path / "out" / "medclean-run" / "manifest.json").read_text())
    (reason,) = [line["reason"] for line in manifest["inputs"] if line["path"] == "mosaic.dcm"]
    assert reason.startswith("a mosaic whose tiles cannot be counted")


def test_a_series_of_two_patients_fails_and_a_file_that_occurs_twice_counts_once(tmp_path):
    write_series(tmp_path / "in" / "mixed", series="mixed")
    path = tmp_path / "in" / "mixed" / "0002.dcm"
    data = pydicom.dcmread(path)
    data.PatientID = "another"
    data.save_as(path)
    write_series(tmp_path / "in" / "twice", "P2", series="twice")
    shutil.copy(tmp_path / "in" / "twice" / "0001.dcm", tmp_path / "in" / "twice" / "copy.dcm")
    for path in (tmp_path / "in" / "twice").iterdir():  # and all of it as another series
        data = pydicom.dcmread(path)
        data.SeriesInstanceUID = "2.25.1"
        dicoms.save(data, tmp_path / "in" / "zzz" / path.name)
    summary = run(tmp_path / "in", tmp_path / "out")
    assert (summary.exit, summary.done, summary.failed) == (Exit.PARTIAL, 1, 1)
    assert (summary.skipped, summary.pending) == (1, 0)
    assert [case["shape"][0] for case in summary.cases] == [3]
    manifest = json.loads((tmp_path / "out" / "medclean-run" / "manifest.json").read_text())
    reasons = {line["path"]: (line["status"], line["reason"]) for line in manifest["inputs"]}
    assert "2 patients" in reasons["mixed/0001.dcm"][1]
    assert reasons["twice/copy.dcm"][0] == "skipped"
    assert reasons["twice/0001.dcm"][0] == "done"


def test_a_data_set_of_another_format_is_left_alone(archive, tmp_path):
    (tmp_path / "set").mkdir()
    for content, error in (('{"format": 0}', UsageError), ("[]", DataError)):
        (tmp_path / "set" / CASES).write_text(content)
        with pytest.raises(error, match=r"an older one|is damaged"):
            run(archive, tmp_path / "set")
        assert (tmp_path / "set" / CASES).read_text() == content


def test_steps_are_told_and_undone(tmp_path):
    """N4 and a crop of MR: the field beside the image leads back to the source."""
    images = phantoms.clean("MR", 4, 64)
    for number, image in enumerate(images, 1):
        data = dicoms.image(np.rint(image).astype(np.uint16), number=number, modality="MR")
        dicoms.save(data, tmp_path / "in" / f"{number}.dcm")
    (case,) = run(tmp_path / "in", tmp_path / "out", bias="n4", crop=48).cases
    assert [step["step"] for step in case["steps"]] == ["n4", "crop"]
    assert (case["shape"], case["noise"] > 0, case["body_share"] > 0.5) == ([4, 48, 48], True, True)
    made = nibabel.load(tmp_path / "out" / case["files"]["image"])
    log = nibabel.load(tmp_path / "out" / case["files"]["bias_field"])
    places = np.linalg.inv(log.affine) @ made.affine
    assert np.abs(places - np.diag(places.diagonal()))[:3, :3].max() < 1e-4
    grid = np.indices(made.shape).reshape(3, -1)
    at = places[:3, :3] @ grid + places[:3, 3:]
    at = np.clip(at, 0, np.array(log.shape)[:, None] - 1)
    field = np.exp(ndimage.map_coordinates(log.get_fdata(), at, order=3, mode="mirror"))
    back = (made.get_fdata().ravel() * field).reshape(made.shape)
    top, left = case["steps"][1]["top"], case["steps"][1]["left"]
    flipped = np.rint(images)[:, ::-1][:, top : top + 48, left : left + 48]
    np.testing.assert_allclose(back, flipped.transpose(2, 1, 0), atol=0.05)
    mask = nibabel.load(tmp_path / "out" / case["files"]["mask"])
    assert set(np.unique(mask.get_fdata())) == {0, 1}


def test_pet_becomes_suv_or_is_refused_with_the_reason(tmp_path):
    for name, weight in (("a", "70"), ("b", None)):
        for number in (1, 2, 3):
            data = dicoms.image(modality="PT", number=number, series=name, PatientWeight=weight)
            data.slope = str(number)
            drug = pydicom.Dataset()
            drug.RadionuclideTotalDose, drug.RadionuclideHalfLife = "370000000", "6586.2"
            data.RadiopharmaceuticalInformationSequence = [drug]
            data.CorrectedImage, data.DecayCorrection = ["DECY", "ATTN"], "ADMIN"
            dicoms.save(data, tmp_path / "in" / name / f"{number}.dcm")
    summary = run(tmp_path / "in", tmp_path / "suv", suv=True)
    (case,) = summary.cases
    assert (summary.exit, case["unit"]) == (Exit.PARTIAL, "g/ml")
    (plain,) = (
        case
        for case in run(tmp_path / "in" / "a", tmp_path / "plain").cases
        if case["unit"] == "Bq/ml"
    )
    suv, activity = (
        read_volume(tmp_path / out / case["files"]["image"]).array
        for out, case in (("suv", case), ("plain", plain))
    )
    np.testing.assert_allclose(suv, activity * 70000 / 370e6, rtol=1e-5)
    manifest = json.loads((tmp_path / "suv" / "medclean-run" / "manifest.json").read_text())
    (reason,) = (line["reason"] for line in manifest["series"] if line["status"] == "failed")
    assert "Patient's Weight (0010,1030) is missing" in reason


def test_a_tilted_gantry_keeps_its_sheared_affine(tmp_path, capfd):
    for number, image in enumerate(phantoms.clean("CT", 5, 48), 1):
        place = (0.0, 0.4 * number, 2.5 * number)
        stored = np.rint(image + 1024).astype(np.uint16)
        data = dicoms.image(stored, number=number, intercept="-1024", position=place)
        dicoms.save(data, tmp_path / "in" / f"{number}.dcm")
    (case,) = run(tmp_path / "in", tmp_path / "out").cases
    assert any("tilted gantry" in note for note in case["checks"]["notes"])
    volume = read_volume(tmp_path / "out" / case["files"]["image"], "CT")
    step = np.abs(volume.affine[:3, 0])
    np.testing.assert_allclose(step, (0, 0.4, 2.5), atol=1e-5)
    assert "tilted gantry" in capfd.readouterr().err
    assert run(tmp_path / "in", tmp_path / "cubes", isotropic=2.0).exit == Exit.BAD_DATA
    assert "no cubes; resample in plane" in capfd.readouterr().err


def test_low_dose_goes_with_full_dose_and_is_no_ground_truth(tmp_path):
    for dose in ("low dose", "full dose"):
        folder = tmp_path / "in" / dose.replace(" ", "")
        write_series(folder, study="s", series=dose, SeriesDescription=dose)
    summary = run(tmp_path / "in", tmp_path / "out", pair_by="description")
    by_name = {case["case"]: case for case in summary.cases}
    low, full = sorted(summary.cases, key=lambda case: not case["noisy"])
    assert (by_name[low["pair"]], by_name[full["pair"]]) == (full, low)
    (case,) = prepared(tmp_path / "out").cases
    assert case.name == full["files"]["image"]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("SeriesDescription~thin", "--pair-by: it holds for no image"),
        ("SeriesDescription~dose", "--pair-by: 1 of 1 noisy images have no clean one"),
    ],
)
def test_noisy_images_without_a_pair_are_told_of(tmp_path, capfd, expression, said):
    write_series(tmp_path / "in", SeriesDescription="low dose")
    run(tmp_path / "in", tmp_path / "out", pair_by=expression, converter="medclean")
    assert said in capfd.readouterr().err


def test_another_key_or_setting_is_refused(archive, dataset, tmp_path):
    key = tmp_path / "key"
    key.write_text("0" * 32)
    with pytest.raises(UsageError, match="belongs to key"):
        run(archive, dataset, key=key)
    with pytest.raises(UsageError, match="crop None, and this is crop 32"):
        run(archive, dataset, crop=32)
    shutil.copytree(dataset, tmp_path / "set")
    again = run(archive, tmp_path / "set", crop=32, overwrite=True)
    assert [case["shape"] for case in again.cases] == [[3, 32, 32]] * 4
    homes = [
        {case["case"]: case["split"] for case in cases(out)} for out in (dataset, tmp_path / "set")
    ]
    assert homes[0] == homes[1]


def test_training_holds_out_a_fold(archive, tmp_path):
    run(archive, tmp_path / "set", converter="medclean", folds=3, window="lung")
    known = json.loads((tmp_path / "set" / CASES).read_text())
    folds = {patient: home["fold"] for patient, home in known["patients"].items()}
    assert sorted(folds.values()) == [0, 1, 2]
    data = prepared(tmp_path / "set", fold=1)
    parts = split(data, SHARES, 0)
    held = {name: {folds[case.patient] for case in part} for name, part in parts.items()}
    assert held == {"train": {0}, "validation": {2}, "test": {1}}
    assert data.normaliser == "ct:window=lung"
    with pytest.raises(UsageError, match="has 3 folds, from 0 on"):
        prepared(tmp_path / "set", fold=3)
