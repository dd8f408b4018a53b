"""``medclean evaluate``: matching, values, gaps, and what is written."""

import csv
import itertools
import json
import os
import subprocess
import sys
from concurrent.futures import Future
from contextlib import contextmanager
from math import inf, sqrt
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from scipy import ndimage
from skimage import metrics as peer

import dicoms
from medclean.cli._scores import tables
from medclean.errors import DataError, Exit, MedcleanError, NothingToDo, UsageError, WriteError
from medclean.jobs.evaluate import EvaluateJob
from medclean.log import Log
from medclean.pipelines import _spool
from medclean.pipelines import evaluate as story
from medclean.pipelines._evaluation import UNREADABLE
from medclean.volume import scale_of

RNG = np.random.default_rng(8)
COLUMNS = ["result", "patient", "case", "region", "metric", "value", "unit"]


class Here:
    """Workers that are no processes."""

    def map(self, function, items):
        for item in items:
            done = Future()
            try:
                done.set_result(function(item))
            except MedcleanError as error:
                done.set_exception(error)
            yield item, done


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    @contextmanager
    def here(job):
        yield Here()

    monkeypatch.setattr(story, "_workers", here)


def evaluated(reference, *results, **how):
    return story.evaluate(EvaluateJob(reference, results, **how), Log(quiet=True))


def truth(seed=0, shape=(3, 60, 50)):
    blobs = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), (0, 5, 5))
    return (1000 * np.clip(blobs / blobs.max() + 0.3, 0, None)).astype(np.float32)


def nifti(path, stack, *, modality="MR", spacing=(1.0, 0.8, 0.7), affine=None):
    """Write (slices, rows, columns) as NIfTI, whose axes run the other way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grid = np.diag([*spacing[::-1], 1.0]) if affine is None else affine
    nibabel.Nifti1Image(np.asarray(stack).T, grid).to_filename(path)
    if modality:
        sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))
        sidecar.write_text(json.dumps({"Modality": modality}))
    return path


def trees(root, patients=3, **noises):
    """A folder of clean images, and one for each noise, of patients in BIDS folders."""
    for number in range(patients):
        clean = truth(number)
        nifti(root / "clean" / f"sub-{number}" / "a.nii.gz", clean)
        for name, sigma in noises.items():
            noise = sigma * np.random.default_rng([number, 7]).standard_normal(clean.shape)
            result = (clean + noise).astype(np.float32)
            nifti(root / name / f"sub-{number}" / "a.nii.gz", result)
    return root / "clean", *(root / name for name in noises)


def values(found, metric, region="image", result=None):
    return [
        row.value
        for row in found.rows
        if (row.metric, row.region) == (metric, region) and result in (None, row.result)
    ]


def test_values_are_those_of_the_whole_case(tmp_path):
    clean, noisy = truth(), truth() + 50 * RNG.standard_normal((3, 60, 50)).astype(np.float32)
    one, two = nifti(tmp_path / "a.nii.gz", clean), nifti(tmp_path / "b.nii.gz", noisy)
    found, scale = evaluated(one, two), scale_of(clean, "MR")
    psnr = peer.peak_signal_noise_ratio(clean.astype(float), noisy.astype(float), data_range=scale)
    assert values(found, "psnr") == [pytest.approx(psnr, rel=1e-6)]
    assert values(found, "rmse") == [pytest.approx(sqrt(peer.mean_squared_error(clean, noisy)))]
    how = {"gaussian_weights": True, "use_sample_covariance": False, "data_range": scale}
    ssim = [
        peer.structural_similarity(y.astype(float), x.astype(float), **how)
        for x, y in zip(noisy, clean, strict=True)
    ]
    assert values(found, "ssim") == [pytest.approx(np.mean(ssim), rel=1e-6)]
    assert {match["by"] for match in found.matched} == {"geometry"}
    asked = evaluated(one, two, data_range=2 * scale, metrics="psnr,ssim:window=uniform,range=2")
    assert values(asked, "psnr") == [pytest.approx(psnr + 20 * np.log10(2), rel=1e-6)]
    plain = [
        peer.structural_similarity(y.astype(float), x.astype(float), data_range=4 * scale)
        for x, y in zip(noisy, clean, strict=True)
    ]
    assert values(asked, "ssim") == [pytest.approx(np.mean(plain), rel=1e-6)]


def test_a_result_equal_to_its_reference_is_infinitely_good(tmp_path):
    clean, same = trees(tmp_path, same=0.0)
    found = evaluated(clean, same, out=tmp_path / "s.csv")
    assert values(found, "psnr") == [inf] * 3
    rows = list(csv.DictReader((tmp_path / "s.csv").open()))
    told = [row["value"] for row in rows if (row["metric"], row["region"]) == ("psnr", "image")]
    assert told == ["inf"] * 3
    assert "infinite" in tables(found)
    assert found.exit == Exit.DONE


def test_the_files_that_scripts_rely_on(tmp_path):
    clean, noisy, better = trees(tmp_path, noisy=60.0, better=30.0)
    found = evaluated(clean, better, noisy=noisy, out=tmp_path / "scores.csv")
    rows = list(csv.DictReader((tmp_path / "scores.csv").open()))
    assert list(rows[0]) == COLUMNS
    assert {row["result"] for row in rows} == {"noisy", "better"}
    assert {row["patient"] for row in rows} == {"patient-001", "patient-002", "patient-003"}
    assert {row["case"] for row in rows} == {"case-001", "case-002", "case-003"}
    assert {row["unit"] for row in rows if row["metric"] in ("psnr", "rmse", "ssim")} == {
        "dB",
        "au",
        "1",
    }
    content = json.loads((tmp_path / "scores.json").read_text())
    assert content["format"] == 1
    assert len(content["rows"]) == len(rows) == len(found.rows)
    assert str(tmp_path) not in json.dumps(content)
    reduced = values(found, "noise-reduction", "body", "better")
    assert reduced == pytest.approx([50] * 3, abs=10)
    assert not values(found, "noise-reduction", "body", "noisy")


def test_statistics_are_over_patients_not_cases(tmp_path):
    clean, one, two = trees(tmp_path, one=60.0, two=30.0)
    for folder, sigma in ((clean, 0.0), (one, 60.0), (two, 30.0)):
        again = truth(9) + sigma * np.random.default_rng(1).standard_normal((3, 60, 50))
        nifti(folder / "sub-0" / "b.nii.gz", again.astype(np.float32))
    found = evaluated(clean, one, two, metrics="psnr")
    (score, _) = (s for s in found.scores if s.region == "image")
    assert (len(values(found, "psnr", result="one")), score.spread.patients) == (4, 3)
    (pair,) = next(c for c in found.comparisons if c.region == "image").pairs
    assert (pair.one, pair.other, pair.patients) == ("two", "one", 3)
    assert pair.mean == pytest.approx(20 * np.log10(2), abs=0.4)
    shown = tables(found)
    assert "3 patients" in shown
    assert "image psnr dB: two" in shown
    assert "of those from 3, 74 % hold the mean" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(
    ("patients", "methods", "said"), [(5, 2, True), (6, 2, False), (6, 3, True)]
)
def test_it_is_said_where_wilcoxon_s_test_can_tell_nothing(tmp_path, patients, methods, said):
    noises = {f"m{number}": 10.0 * number for number in range(1, methods + 1)}
    found = evaluated(*trees(tmp_path, patients=patients, **noises), metrics="psnr")
    assert ("Wilcoxon's cannot be below 0.05" in " ".join(tables(found).split())) == said
    pairs = next(one for one in found.comparisons if one.region == "image").pairs
    assert all(pair.wilcoxon_holm >= 0.05 for pair in pairs) == said


def test_one_patient_has_no_statistics_and_it_is_said(tmp_path):
    clean, noisy = trees(tmp_path, patients=1, noisy=30.0)
    found = evaluated(clean, noisy)
    assert found.patients == 1
    assert "1 patient: no statistics" in tables(found)
    assert "±" not in tables(found)


def test_grids_that_run_the_other_way_are_turned(tmp_path):
    clean = truth()
    noisy = clean + 20 * RNG.standard_normal(clean.shape).astype(np.float32)
    one = nifti(tmp_path / "one.nii.gz", clean)
    straight = nifti(tmp_path / "straight.nii.gz", noisy)
    # Columns backwards, and rows and slices swapped, with the affine that says so.
    turned = noisy[:, :, ::-1].transpose(1, 0, 2)
    affine = np.array([[-0.7, 0, 0, 49 * 0.7], [0, 0, 0.8, 0], [0, 1.0, 0, 0], [0, 0, 0, 1]])
    other = nifti(tmp_path / "turned.nii.gz", turned, affine=affine)
    found = evaluated(one, straight, other)
    assert values(found, "psnr", result="turned") == values(found, "psnr", result="straight")
    assert values(found, "ssim", result="turned") == values(found, "ssim", result="straight")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"spacing": (1.0, 0.9, 0.7)}, "another grid"),
        ({"affine": np.diag([0.7, 0.8, 1.0, 1.0]) + np.eye(4, k=3)}, "another grid"),
        ({"modality": "CT"}, "CT in HU"),
    ],
)
def test_another_grid_or_unit_is_refused(tmp_path, change, why):
    nifti(tmp_path / "clean" / "a.nii.gz", truth())
    nifti(tmp_path / "clean" / "b.nii.gz", truth(1))
    nifti(tmp_path / "result" / "a.nii.gz", truth(), **change)
    with pytest.raises(DataError, match=why):
        evaluated(tmp_path / "clean", tmp_path / "result")
    nifti(tmp_path / "result" / "b.nii.gz", truth(1))
    found = evaluated(tmp_path / "clean", tmp_path / "result")
    assert {row.case for row in found.rows} == {"case-002"}
    assert [why in gap.why for gap in found.gaps if not gap.metric] == [True]
    assert found.exit == Exit.PARTIAL


def test_names_decide_where_several_share_a_grid(tmp_path):
    for number in range(3):
        nifti(tmp_path / "clean" / f"{number}.nii.gz", truth(number))
        nifti(tmp_path / "named" / f"{number}.nii.gz", truth(number))
        nifti(tmp_path / "odd" / f"x{number}.nii.gz", truth(number))
    found = evaluated(tmp_path / "clean", tmp_path / "named")
    assert values(found, "psnr") == [inf] * 3
    with pytest.raises(DataError, match="give what belongs to it its name"):
        evaluated(tmp_path / "clean", tmp_path / "odd")


def test_another_patient_of_the_same_grid_is_refused(tmp_path):
    nifti(tmp_path / "clean" / "sub-1" / "a.nii.gz", truth())
    nifti(tmp_path / "result" / "sub-2" / "b.nii.gz", truth(1))
    with pytest.raises(DataError, match="another patient"):
        evaluated(tmp_path / "clean", tmp_path / "result")
    assert evaluated(tmp_path / "clean", tmp_path / "result", match="geometry").rows


def test_dicom_is_matched_by_what_it_was_made_from(tmp_path):
    dicoms.series(tmp_path / "study", 3)
    for path in sorted((tmp_path / "study").rglob("*.dcm")):
        to = tmp_path / "result" / f"renamed-{path.name}"
        to.parent.mkdir(exist_ok=True)
        data = pydicom.dcmread(path)
        source = _item(data)
        data.SOPInstanceUID = dicoms.uid("derived", data.SOPInstanceUID)
        data.SeriesInstanceUID = dicoms.uid("derived", data.SeriesInstanceUID)
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.SourceImageSequence = [source]
        data.save_as(to)
    found = evaluated(tmp_path / "study", tmp_path / "result")
    assert {match["by"] for match in found.matched} == {"source references"}
    assert values(found, "rmse") == [0]
    assert {row.unit for row in found.rows if row.metric == "rmse"} == {"HU"}


def _item(data):
    item = Dataset()
    item.ReferencedSOPClassUID = data.SOPClassUID
    item.ReferencedSOPInstanceUID = data.SOPInstanceUID
    return item


def test_a_result_is_found_by_way_of_the_noisy_image(tmp_path):
    """Clean, noisy made from it, and a result made from that, under names of their own."""
    folders = [tmp_path / name for name in ("clean", "noisy", "result")]
    dicoms.series(folders[0], 3)
    for before, after in itertools.pairwise(folders):
        after.mkdir()
        for number, path in enumerate(sorted(before.rglob("*.dcm"))):
            data = pydicom.dcmread(path)
            data.SourceImageSequence = [_item(data)]
            data.SOPInstanceUID = dicoms.uid(after.name, data.SOPInstanceUID)
            data.SeriesInstanceUID = dicoms.uid(after.name, data.SeriesInstanceUID)
            data.FrameOfReferenceUID = data.SeriesInstanceUID
            data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
            data.save_as(after / f"{after.name}-{number}.dcm")
    clean, noisy, result = folders
    found = evaluated(clean, result, noisy=noisy)
    assert {match["by"] for match in found.matched} == {"source references"}
    assert {row.result for row in found.rows} == {"noisy", "result"}


def test_frames_in_time_are_cases_of_their_own(tmp_path):
    clean = np.stack([truth(number) for number in range(2)])  # time, slices, rows, columns
    noisy = clean + 20 * RNG.standard_normal(clean.shape).astype(np.float32)
    one = nifti(tmp_path / "a.nii.gz", clean, affine=np.diag([0.7, 0.8, 1.0, 1.0]))
    two = nifti(tmp_path / "b.nii.gz", noisy, affine=np.diag([0.7, 0.8, 1.0, 1.0]))
    found = evaluated(one, two)
    roots = [sqrt(peer.mean_squared_error(clean[:, s], noisy[:, s])) for s in range(3)]
    assert values(found, "rmse") == pytest.approx(roots, rel=1e-5)


def test_padding_counts_nowhere(tmp_path):
    stored = (truth() - 300).astype(np.int16)
    other = stored + RNG.integers(-30, 30, stored.shape, np.int16)
    outside = np.zeros(stored.shape, bool)
    outside[:, :, :9] = True
    for name, stack in (("clean", stored), ("result", other)):
        for number, image in enumerate(np.where(outside, -2000, stack).astype(np.int16), 1):
            data = dicoms.image(image, number=number, padding=-2000)
            dicoms.save(data, tmp_path / name / f"{number}.dcm")
    found = evaluated(tmp_path / "clean", tmp_path / "result")
    error = (other - stored)[~outside].astype(float)
    assert values(found, "rmse") == [pytest.approx(sqrt((error**2).mean()))]
    assert values(found, "bias") == [pytest.approx(error.mean())]


def test_the_same_uids_match_and_no_tag_is_shown(tmp_path):
    dicoms.series(tmp_path / "study", 3, planted=True)
    dicoms.series(tmp_path / "copy", 3, planted=True)
    found = evaluated(tmp_path / "study", tmp_path / "copy", out=tmp_path / "s.csv")
    assert {match["by"] for match in found.matched} == {"UIDs"}
    written = (tmp_path / "s.csv").read_text() + (tmp_path / "s.json").read_text()
    assert not [word for word in dicoms.PLANTED if word in written + tables(found)]


def test_names_come_from_the_key_of_the_run(tmp_path):
    clean, noisy = trees(tmp_path, noisy=30.0)
    secret = noisy / "medclean-run" / "secret"
    secret.parent.mkdir()
    secret.write_text("0123456789abcdef" * 2)
    found = evaluated(clean, noisy)
    assert all(len(row.case) == len(row.patient) == 12 for row in found.rows)
    (tmp_path / "key").write_text("another key, long enough")
    other = evaluated(clean, noisy, key=tmp_path / "key")
    assert {row.case for row in found.rows}.isdisjoint(row.case for row in other.rows)


def mask_of(shape=(3, 60, 50)):
    mask = np.zeros(shape, np.uint8)
    mask[:, 5:20, 5:20], mask[:, 30:50, 10:40] = 1, 2
    return mask


def test_regions_of_a_mask(tmp_path):
    clean = truth()
    noisy = clean + 20 * RNG.standard_normal(clean.shape).astype(np.float32)
    one, two = nifti(tmp_path / "a.nii.gz", clean), nifti(tmp_path / "b.nii.gz", noisy + 5)
    mask = nifti(tmp_path / "m.nii.gz", mask_of(), modality="")
    found = evaluated(one, two, mask=mask)
    inside = mask_of() == 2
    bias = (noisy[inside] + 5 - clean[inside]).mean()
    assert values(found, "bias", "mask 2") == [pytest.approx(bias, rel=1e-4)]
    assert len(values(found, "cnr", "mask 1/2")) == 1
    assert len(values(found, "snr", "mask")) == 1
    empty = nifti(tmp_path / "e.nii.gz", np.zeros_like(mask_of()), modality="")
    nothing = evaluated(one, two, mask=empty)
    assert not values(nothing, "psnr", "mask")
    assert "the mask has no voxel" in tables(nothing)
    image = nifti(tmp_path / "i.nii.gz", truth(3), modality="")
    without = evaluated(one, two, mask=image)
    assert {row.region for row in without.rows} == {"image", "body"}
    assert ["whole numbers" in gap.why for gap in without.gaps if gap.result == "mask"] == [True]
    assert without.exit == Exit.PARTIAL


def test_windows_and_papers_score_images_that_were_cut(tmp_path):
    clean = (2000 * (truth() / 1000) - 1000).astype(np.float32)
    noisy = clean + 40 * RNG.standard_normal(clean.shape).astype(np.float32)
    one = nifti(tmp_path / "a.nii.gz", clean, modality="CT")
    two = nifti(tmp_path / "b.nii.gz", noisy, modality="CT")
    found = evaluated(one, two, window=("-160..240",))
    cut = [np.clip(image.astype(float), -160, 240) for image in (clean, noisy)]
    psnr = peer.peak_signal_noise_ratio(*cut, data_range=400)
    assert values(found, "psnr", "-160..240") == [pytest.approx(psnr, rel=1e-6)]
    paper = evaluated(one, two, paper="001")
    each = [peer.peak_signal_noise_ratio(y, x, data_range=400) for y, x in zip(*cut, strict=True)]
    assert values(paper, "psnr") == [pytest.approx(np.mean(each), rel=1e-6)]
    roots = [sqrt(peer.mean_squared_error(y, x)) / 400 for y, x in zip(*cut, strict=True)]
    assert values(paper, "rmse") == [pytest.approx(np.mean(roots), rel=1e-5)]
    assert {row.unit for row in paper.rows if row.metric == "rmse"} == {"1"}
    assert "-160..240 HU" in tables(paper)
    with pytest.raises(UsageError, match="figures for MR"):
        evaluated(one, two, paper="002")


def test_limits_give_a_status(tmp_path):
    clean, noisy = trees(tmp_path, noisy=30.0)
    assert evaluated(clean, noisy, fail_under="psnr=20").exit == Exit.DONE
    failed = evaluated(clean, noisy, fail_under="psnr=20,rmse=10")
    assert failed.exit == Exit.GATE_CROSSED
    assert [sentence.split()[1] for sentence in failed.crossed] == ["rmse"]
    for metric in ("snr", "cnr", "noise-reduction"):
        with pytest.raises(UsageError, match=metric):
            evaluated(clean, noisy, fail_under=f"{metric}=1")
        with pytest.raises(UsageError, match=metric):
            evaluated(clean, noisy, metrics=metric)
    with pytest.raises(DataError, match="suv-max: it is for PT alone"):
        evaluated(clean, noisy, metrics="suv-max")
    undefined = evaluated(clean, noisy, fail_under="ms-ssim=0.1")
    assert undefined.exit == Exit.GATE_CROSSED
    for limit in ("psnr", "psnr=a", "nps-frequency=1", "pnsr=1"):
        with pytest.raises(UsageError):
            evaluated(clean, noisy, fail_under=limit)


def test_what_cannot_be_told_is_a_gap(tmp_path):
    clean = nifti(tmp_path / "a.nii.gz", np.full((2, 40, 40), 7, np.float32))
    other = nifti(tmp_path / "b.nii.gz", np.full((2, 40, 40), 7, np.float32))
    found = evaluated(clean, other)
    assert values(found, "psnr") == [inf]
    gaps = {(gap.metric, gap.region): gap.why for gap in found.gaps}
    assert "size" in gaps["ms-ssim", "image"]
    assert ("edge-slope", "body") in gaps
    assert found.exit == Exit.DONE


def test_a_file_that_cannot_be_read_is_a_gap(tmp_path):
    clean, noisy = trees(tmp_path, noisy=30.0)
    broken = truth(1)
    broken[1, 2, 3] = np.nan
    nifti(noisy / "sub-1" / "a.nii.gz", broken)
    found = evaluated(clean, noisy)
    assert len(values(found, "psnr")) == 2
    assert [gap.why for gap in found.gaps if not gap.metric] == [UNREADABLE]
    assert found.exit == Exit.PARTIAL


def test_a_reference_that_cannot_be_read_is_no_silent_success(tmp_path):
    clean, noisy = trees(tmp_path, noisy=30.0)
    (clean / "sub-1" / "a.nii.gz").write_bytes(b"no NIfTI")
    found = evaluated(clean, noisy, fail_under="psnr=20")
    assert [(gap.result, gap.why) for gap in found.gaps if not gap.metric] == [
        ("reference", UNREADABLE)
    ]
    assert found.exit == Exit.PARTIAL


def test_a_broken_result_takes_no_other_along(tmp_path):
    clean, bad, good, better = trees(tmp_path, patients=1, bad=9.0, good=30.0, better=20.0)
    nifti(bad / "sub-0" / "a.nii.gz", np.full((3, 60, 50), np.nan))
    found = evaluated(clean, bad, good, better, metrics="psnr")
    assert [row.result for row in found.rows if row.region == "image"] == ["good", "better"]
    assert [gap.result for gap in found.gaps] == ["bad"]


def test_methods_are_compared_over_the_cases_that_they_share(tmp_path):
    """A method that lacks the hard cases is neither better nor marked as the best."""
    for number, (case, sigma) in itertools.product(range(3), (("easy", 5.0), ("hard", 80.0))):
        clean, name = truth(number), f"sub-{number}/{case}.nii.gz"
        noise = sigma * np.random.default_rng([number, 7]).standard_normal(clean.shape)
        nifti(tmp_path / "clean" / name, clean)
        nifti(tmp_path / "whole" / name, clean + noise)
        if case == "easy":
            nifti(tmp_path / "part" / name, clean + noise)
    folders = [tmp_path / name for name in ("clean", "whole", "part")]
    found = evaluated(*folders, metrics="psnr")
    (pair,) = next(c for c in found.comparisons if c.region == "image").pairs
    assert (pair.patients, pair.mean) == (3, pytest.approx(0, abs=1e-9))
    assert {s.result: s.missing for s in found.scores} == {"whole": 0, "part": 3}
    assert "part lacks up to 3 cases" in " ".join(tables(found).split())
    assert "psnr dB: part" not in " ".join(tables(found).split())


def test_a_full_disk_says_which_one():
    with pytest.raises(WriteError, match="TMPDIR"):
        _spool._put(Path("/dev/full"), 0, np.ones(9))


def test_modalities_are_never_mixed(tmp_path):
    """A patient's CT and MR are other figures, also where they have the same unit, or none."""
    for number, (modality, sigma) in itertools.product(range(2), (("CT", 40.0), ("MR", 9.0))):
        clean, name = truth(number), f"sub-{number}/{modality}.nii.gz"
        noise = sigma * np.random.default_rng([number, 7]).standard_normal(clean.shape)
        nifti(tmp_path / "clean" / name, clean, modality=modality)
        nifti(tmp_path / "noisy" / name, clean + noise, modality=modality)
    found = evaluated(tmp_path / "clean", tmp_path / "noisy", fail_under="psnr=41")
    psnr = {s.modality: s.spread for s in found.scores if (s.metric, s.region) == ("psnr", "image")}
    assert psnr["CT"].mean == pytest.approx(40, abs=0.3)
    assert {modality: spread.patients for modality, spread in psnr.items()} == {"CT": 2, "MR": 2}
    below = [modality for modality, spread in psnr.items() if spread.mean < 41]
    assert [sentence.split()[3] for sentence in found.crossed] == below
    assert "CT" in below
    assert sorted(found.as_object()["modalities"].values()) == ["CT", "CT", "MR", "MR"]
    assert {"CT image", "MR image"} < {line[:8] for line in tables(found).splitlines()}


def test_long_names_fit_80_columns(tmp_path):
    names = {f"denoised-with-a-name-of-its-own-{n}": 20.0 * n for n in (1, 2, 3)}
    shown = tables(evaluated(*trees(tmp_path, **names), metrics="psnr,ssim"))
    assert max(map(len, shown.splitlines())) <= 80
    assert "p of t p of W" in shown


def test_segmentations(tmp_path):
    result = mask_of()
    result[:, 30:50, 10:12] = 0
    one = nifti(tmp_path / "a.nii.gz", mask_of(), modality="")
    two = nifti(tmp_path / "b.nii.gz", result, modality="")
    found = evaluated(one, two, labels=True)
    assert values(found, "dice", "label 1") == [1]
    assert values(found, "dice", "label 2") == [pytest.approx(2 * 28 / (30 + 28))]
    assert values(found, "volume-error", "label 2") == [pytest.approx(-100 * 2 / 30)]
    assert values(found, "hausdorff", "label 2") == [pytest.approx(2 * 0.7, rel=1e-5)]
    assert "dice" in tables(found)
    image = nifti(tmp_path / "i.nii.gz", truth(), modality="")
    with pytest.raises(DataError):
        evaluated(one, image, labels=True)


def test_maps(tmp_path):
    clean, noisy = trees(tmp_path, patients=1, noisy=30.0)
    evaluated(clean, noisy, maps=tmp_path / "maps")
    names = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert names == ["case-001-errors.png", "case-001-nps.png"]
    with pytest.raises(UsageError):
        evaluated(clean, noisy, maps=clean / "maps")


def test_pictures_stand_upright_however_the_axes_run(tmp_path):
    clean, grid = truth(), np.diag([0.7, 0.8, 1.0, 1.0])
    turned = np.diag([-0.7, -0.8, 1.0, 1.0])
    turned[:2, 3] = 49 * 0.7, 59 * 0.8
    pictures = []
    for name, stack, affine in (("a", clean, grid), ("b", clean[:, ::-1, ::-1], turned)):
        one = nifti(tmp_path / name / "one.nii.gz", stack, affine=affine)
        two = nifti(tmp_path / name / "two.nii.gz", stack + 9, affine=affine)
        evaluated(one, two, metrics="psnr", maps=tmp_path / name / "maps")
        pictures.append((tmp_path / name / "maps" / "case-001-errors.png").read_bytes())
    assert pictures[0] == pictures[1]


def test_the_shift_of_regions_has_limits_of_agreement(tmp_path):
    clean, noisy = trees(tmp_path, noisy=30.0)
    shown = tables(evaluated(clean, noisy, metrics="bias"))
    (score, _) = (s for s in evaluated(clean, noisy, metrics="bias").scores)
    assert f"[{score.spread.below:.2f}..{score.spread.above:.2f}]" in shown
    assert "Bland and Altman" in shown
    assert "[" not in tables(evaluated(clean, noisy, metrics="psnr"))


def test_residuals_of_a_run_are_no_results(tmp_path):
    clean, noisy = trees(tmp_path, patients=1, noisy=30.0)
    nifti(noisy / "residual" / "sub-0" / "a.nii.gz", truth(5))
    (noisy / "medclean-run").mkdir()
    found = evaluated(clean, noisy)
    assert len(values(found, "psnr")) == 1


def test_nothing_to_compare(tmp_path):
    clean, _ = trees(tmp_path, noisy=30.0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToDo, match="no image"):
        evaluated(clean, tmp_path / "empty")
    with pytest.raises(UsageError, match="does not exist"):
        evaluated(clean, tmp_path / "away")
    with pytest.raises(UsageError, match="--window"):
        evaluated(clean, clean, window=("5",))


def test_the_command(tmp_path):
    clean, noisy = trees(tmp_path, noisy=30.0)
    words = ["evaluate", clean, noisy, "-o", "s.csv", "--fail-under", "psnr=99", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "medclean", *map(str, words)],
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == Exit.GATE_CROSSED
    assert "psnr" in done.stdout
    assert "worse than 99" in done.stderr
    assert (tmp_path / "s.csv").exists()
