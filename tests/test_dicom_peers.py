"""Derived instances before other people's programs; skipped where one is not installed."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGExtended12Bit

import dicoms
from derived import STEP, SYNTAXES, Derived, rewrite, series_in
from medclean.archive.dicom.elements import tag_of
from medclean.archive.dicom.plan import plan
from medclean.archive.dicom.read import read
from medclean.errors import DataError

SHARED = Path(__file__).parents[2] / "shared" / "data"
CLASSIC = ("CT", "MR", "PT")
REAL = [
    *sorted(SHARED.glob("dicom/*/*0.dcm")),
    *sorted(path for name in CLASSIC for path in SHARED.glob(f"dicom_odd/*-{name}-*.dcm")),
]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # of odd real values
REMOVED = replace(STEP, role="residual")
FOLDERS = ("mr_brain_t1gd_siemens", "ct_abdomen_siemens_j2k")


def program(name):
    beside = shutil.which(name, path=str(Path(sys.executable).parent))
    found = shutil.which(name) or beside
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def complaints(path):
    """What dciodvfy says, without what must differ: numbers of items, and where a UID stands."""
    command = [program("dciodvfy"), "-new", path]
    said = subprocess.run(command, capture_output=True, text=True, errors="replace")
    lines = (said.stdout + said.stderr).splitlines()
    return {
        re.sub(r"</.*?> - (?=.*(Illegal root|VR \[UI\]))|\[\d+\]", "", line)
        for line in lines
        if line.strip() and "99MEDCLEAN" not in line  # a private scheme is no defined term
    }


def with_class(path, to):
    """The file itself, or one that names its class, without which dciodvfy checks nothing."""
    data = pydicom.dcmread(path)
    if data.get("SOPClassUID"):
        return path
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID
    data.save_as(to)
    return to


@pytest.mark.parametrize("modality", CLASSIC)
@pytest.mark.parametrize("syntax", sorted({*SYNTAXES} - {"deflated"}))  # it cannot inflate
def test_dciodvfy_finds_nothing_new(tmp_path, modality, syntax):
    made = Derived(tmp_path, dicoms.image(modality=modality, private=True), syntax=syntax)
    assert complaints(made.to) <= complaints(made.root / "a.dcm")


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_good_source_gives_no_error(tmp_path, modality):
    made = Derived(tmp_path, dicoms.image(modality=modality))
    assert not [line for line in complaints(made.to) if line.startswith("Error")]


@pytest.fixture(params=REAL, ids=lambda path: path.name)
def real(request, tmp_path):
    """Path of a real file that is eligible and readable."""
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(request.param, folder / "a.dcm")
    try:
        (series,) = series_in(folder)
        read(folder, series, 0)
    except (DataError, ValueError):
        pytest.skip("not readable, or no classic image")
    return folder / "a.dcm"


def test_dciodvfy_finds_nothing_new_in_real_files(tmp_path, real):
    made = Derived(tmp_path)
    if made.source.file_meta.TransferSyntaxUID != DeflatedExplicitVRLittleEndian:
        assert complaints(made.to) <= complaints(with_class(real, tmp_path / "mended.dcm"))


def without_values(said):
    """Complaints of a residual that its source has not earned in substance.

    Rescale Type US is a defined term (PS3.3 C.11.1.1.2) that dciodvfy does not know for CT; and it
    quotes the intercept, which is 0 now, where it finds a rescale in MR.
    """
    lines = (line for line in said if "<US>" not in line or "/RescaleType" not in line)
    return {re.sub(r" = <[^<]*>$", "", line) for line in lines}


def test_dciodvfy_finds_nothing_new_in_residuals_of_real_files(tmp_path, real):
    pixels = read(real.parent, series_in(real.parent)[0], 0)
    made = Derived(tmp_path, result=pixels.real * np.float32(0.9), step=REMOVED)
    if made.source.file_meta.TransferSyntaxUID != DeflatedExplicitVRLittleEndian:
        source = complaints(with_class(real, tmp_path / "mended.dcm"))
        assert without_values(complaints(made.to)) <= without_values(source)


@pytest.mark.parametrize("modality", CLASSIC)
@pytest.mark.parametrize("signed", [False, True])
def test_dciodvfy_finds_nothing_new_in_residuals(tmp_path, modality, signed):
    stored = dicoms.pattern((40, 36), bits=12, signed=signed)
    result = np.zeros((1, 40, 36), np.float32)
    data = dicoms.image(stored, modality=modality, bits=12, private=True, padding=7)
    made = Derived(tmp_path, data, result=result, step=REMOVED)
    assert without_values(complaints(made.to)) <= without_values(complaints(made.root / "a.dcm"))


@pytest.mark.parametrize("wanted", ["keep", "explicit"])
@pytest.mark.usefixtures("real")
def test_pydicom_reads_the_same_in_real_files(tmp_path, wanted):
    made = Derived(tmp_path, wanted=wanted)
    for tag in made.data.keys() - made.changed() - {tag_of("PixelData")}:
        assert made.data[tag] == made.source[tag]
    if made.source.file_meta.TransferSyntaxUID != JPEGExtended12Bit:  # pydicom cannot decode it
        assert np.array_equal(made.data.pixel_array, made.source.pixel_array)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_dcmdump_reads_it(tmp_path, syntax):
    made = Derived(tmp_path, dicoms.image(modality="MR", private=True), syntax=syntax)
    said = subprocess.run([program("dcmdump"), "-q", made.to], capture_output=True, text=True)
    assert said.returncode == 0
    assert f"[{made.data.SeriesDescription}]" in said.stdout


@pytest.mark.parametrize("folder", FOLDERS)
def test_dcm2niix_gives_the_same_volume(tmp_path, folder):
    convert = program("dcm2niix")
    paths = sorted((SHARED / "dicom" / folder).glob("*"))[:5]
    if not paths:
        pytest.skip("no shared images here")
    root = tmp_path / "source"
    for name in ("source", "derived"):
        (tmp_path / name).mkdir()
    for path in paths:
        shutil.copy(path, root)
    (series,) = series_in(root)
    shared = plan(series, STEP)
    for place, file in enumerate(series.instances):
        rewrite(root, series, place, shared, tmp_path / "derived" / file.path)
    images = []
    for source in (root, tmp_path / "derived"):
        out = tmp_path / f"{source.name}-nifti"
        out.mkdir()
        command = [convert, "-b", "n", "-f", "image", "-o", out, source]
        subprocess.run(command, check=True, capture_output=True)
        (path,) = out.glob("*.nii")
        images.append(nibabel.load(path))
    before, after = images
    assert np.array_equal(before.affine, after.affine)
    assert np.array_equal(before.get_fdata(), after.get_fdata())
