"""Whose images are whose, and who may see them."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import dicoms
from derived import Here
from little_dataset import write_image
from medclean.archive.dataset import SPLITS, Case, Dataset, gather, split
from medclean.archive.dicom.scan import scan as scan_dicom
from medclean.archive.nifti.scan import scan as scan_nifti
from medclean.archive.series import Scan, Series
from medclean.archive.workers import Workers
from medclean.errors import DataError, NothingToDo, UsageError
from medclean.files import walk

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}


def gathered(root, *, modality="MR", patient=None):
    paths = [found.path for found in walk(root)]
    return gather(root, scan_nifti(root, paths, Here(), modality=modality), patient=patient)


def of_patients(patients, stated=()):
    series = Series("0" * 16, "nifti", "MR", "au", (), ())
    cases = tuple(Case(f"{n}.nii", p, "", None, series) for n, p in enumerate(patients))
    return Dataset(cases, dict(stated), {}, False)


@given(st.lists(st.text("abcdef", min_size=1, max_size=2), min_size=1), st.integers(0, 99))
def test_no_patient_stands_in_two_splits_and_no_split_is_empty_from_three_on(patients, seed):
    data = of_patients(patients)
    if len(set(patients)) < 3:
        with pytest.raises(DataError, match="3 patients or more"):
            split(data, SHARES, seed)
        return
    parts = split(data, SHARES, seed)
    homes = Counter(patient for part in parts.values() for patient in {c.patient for c in part})
    assert set(homes) == set(patients)
    assert set(homes.values()) == {1}
    assert all(parts[name] for name in SPLITS)
    assert parts == split(of_patients(patients), SHARES, seed)


def test_the_seed_draws_other_patients_and_shares_are_kept():
    data = of_patients([str(n) for n in range(100)])
    parts, others = split(data, SHARES, 0), split(data, SHARES, 1)
    assert {name: len(part) for name, part in parts.items()} == {
        "train": 70,
        "validation": 15,
        "test": 15,
    }
    assert parts["test"] != others["test"]


def test_a_split_without_a_share_gets_nobody():
    parts = split(of_patients(["a"]), {"train": 1.0, "validation": 0, "test": 0}, 0)
    assert [len(parts[name]) for name in SPLITS] == [1, 0, 0]


def test_splits_that_the_data_set_states_are_kept():
    stated = {"a": "test", "b": "train", "c": "validation"}
    parts = split(of_patients("abcabc", stated.items()), SHARES, 0)
    assert {name: {c.patient for c in part} for name, part in parts.items()} == {
        "train": {"b"},
        "validation": {"c"},
        "test": {"a"},
    }


def test_patients_of_nifti_files(tmp_path):
    for name in ("sub-01/ses-1/a.nii.gz", "sub-01/ses-2/a.nii.gz", "sub-02/a.nii.gz"):
        write_image(tmp_path / name)
    assert [case.patient for case in gathered(tmp_path).cases] == ["sub-01", "sub-01", "sub-02"]
    by_session = gathered(tmp_path, patient="(ses-[0-9])")
    assert [case.patient for case in by_session.cases] == ["ses-1", "ses-2", ""]
    assert gathered(tmp_path).body_parts == ["head"]


def test_a_folder_that_names_nobody_is_one_patient(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz", "c.nii.gz"):
        write_image(tmp_path / name)
    data = gathered(tmp_path)
    assert data.one_patient
    with pytest.raises(DataError, match="1 patient for train, validation, test"):
        split(data, SHARES, 0)


def test_a_participants_file_states_the_splits(tmp_path):
    write_image(tmp_path / "sub-01" / "a.nii.gz")
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tage\tsplit\nsub-01\t33\ttest\nsub-02\t34\t\n")
    assert gathered(tmp_path).stated == {"sub-01": "test"}
    table.write_text("participant_id\tsplit\nsub-01\tdev\n")
    with pytest.raises(DataError, match="'dev', expected train, validation, test"):
        gathered(tmp_path)


def test_what_cannot_be_learnt_from_is_refused(tmp_path):
    with pytest.raises(NothingToDo, match="neither DICOM nor NIfTI"):
        gather(tmp_path, Scan((), ()))
    write_image(tmp_path / "a.nii.gz", modality=None)
    with pytest.raises(UsageError, match="say --modality"):
        gathered(tmp_path, modality=None)
    write_image(tmp_path / "b.nii.gz", modality="CT")
    with pytest.raises(UsageError, match="1 CT and 1 MR"):
        gathered(tmp_path)
    for expression in ("(", "sub"):
        with pytest.raises(UsageError, match="expected a regular expression with a group"):
            gathered(tmp_path, patient=expression)


def test_dicom_series_are_cases_of_their_patients(tmp_path):
    for number, patient in enumerate(("P1", "P1", "P2")):
        about = {"modality": "MR", "series": number, "study": patient, "PatientID": patient}
        dicoms.series(tmp_path / str(number), bits=12, **about)
    with Workers(1) as workers:
        scan = scan_dicom(tmp_path, [found.path for found in walk(tmp_path)], workers)
    data = gather(tmp_path, scan)
    assert [case.patient for case in data.cases] == ["P1", "P1", "P2"]
    assert data.body_parts == ["head"]
    volume = data.cases[0].read()
    stored = [dicoms.pattern(bits=12, seed=number) for number in (1, 2, 3)]
    np.testing.assert_array_equal(volume.array, np.array(stored, np.float32))


def test_cine_frames_become_one_file_a_subject(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (3, 20, 24), np.uint8)
    for name, frame in zip(("A-1-IM-1", "A-1-IM-2", "B-IM-1"), frames, strict=True):
        Image.fromarray(frame).save(tmp_path / f"{name}.png")
    script = Path(__file__).parent / "benchmarks" / "cine.py"
    subprocess.run([sys.executable, script, tmp_path, tmp_path / "out"], check=True)
    data = gathered(tmp_path / "out", modality=None)
    assert [case.patient for case in data.cases] == ["sub-A1", "sub-B"]
    np.testing.assert_array_equal(data.cases[0].read().array, frames[:2])
