"""Two readers of DICOM that must agree: dcm2niix, which may refuse, and our own."""

import sys
from pathlib import Path

import numpy as np
import pytest

import dicoms
from medclean.archive.dicom.scan import scan
from medclean.archive.nifti import dcm2niix
from medclean.archive.nifti.dcm2niix import Refused
from medclean.archive.stacks import by_dcm2niix, by_own_reader
from medclean.archive.workers import Workers
from medclean.errors import MissingError
from medclean.files import walk

SHARED = Path(__file__).parent.parent / ".." / "shared" / "data" / "dicom"
FOLDERS = ["ct_abdomen_siemens_j2k", "ct_axial_singles", "mr_brain_t1gd_siemens"]


def series_in(root):
    with Workers(2) as workers:
        return scan(root, [found.path for found in walk(root)], workers).series


def both(root, series, group, folder):
    for name in ("ours", "theirs"):
        (folder / name).mkdir(parents=True)
    ours = by_own_reader(root, series, group, folder / "ours")
    return ours, by_dcm2niix(root, series, group, folder / "theirs", seconds=60)


def assert_same(ours, theirs):
    """The same voxels in the same places, whichever way each counts."""
    change = np.rint(np.linalg.inv(ours.affine) @ theirs.affine)
    backwards = [axis for axis in range(3) if change[axis, axis] < 0]
    theirs_real = np.flip(theirs.slab(0, len(theirs.values)), backwards)
    np.testing.assert_array_equal(ours.slab(0, len(ours.values)), theirs_real)
    ends = [0 if axis not in backwards else side - 1 for axis, side in enumerate(ours.shape)]
    np.testing.assert_allclose(theirs.affine @ [*ends, 1], ours.affine[:, 3], atol=2e-3)


@pytest.mark.parametrize("folder", FOLDERS)
def test_both_readers_see_the_same_in_every_shared_series(tmp_path, folder):
    if not (SHARED / folder).is_dir():
        pytest.skip("no shared images here")
    for number, series in enumerate(series_in(SHARED / folder)):
        for place, group in enumerate(series.groups):
            assert_same(*both(SHARED / folder, series, group, tmp_path / f"{number}-{place}"))


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1), dicoms.OBLIQUE])
def test_both_readers_see_the_same(tmp_path, modality, orientation):
    how = {"intercept": "-1024"} if modality == "CT" else {"intercept": "0", "slope": "2.5"}
    dicoms.series(tmp_path / "in", 4, modality=modality, orientation=orientation, bits=12, **how)
    ((series, group),) = ((s, g) for s in series_in(tmp_path / "in") for g in s.groups)
    ours, theirs = both(tmp_path / "in", series, group, tmp_path)
    assert ours.values.dtype == np.uint16
    assert_same(ours, theirs)


def test_slices_with_a_slope_each_become_real_values(tmp_path):
    for number in (1, 2, 3):
        data = dicoms.image(modality="PT", number=number, slope=str(number / 4))
        dicoms.save(data, tmp_path / "in" / f"{number}.dcm")
    ((series, group),) = ((s, g) for s in series_in(tmp_path / "in") for g in s.groups)
    ours, theirs = both(tmp_path / "in", series, group, tmp_path)
    assert (ours.values.dtype, ours.slope) == (np.float32, 1.0)
    assert_same(ours, theirs)


@pytest.fixture
def stack(tmp_path):
    dicoms.series(tmp_path / "in", 3, bits=12)
    ((series, group),) = ((s, g) for s in series_in(tmp_path / "in") for g in s.groups)
    (tmp_path / "work").mkdir()
    return tmp_path / "in", series, group, tmp_path / "work"


def pretend(monkeypatch, tmp_path, lines):
    """A program in the place of dcm2niix, in Python; its last argument but one is its output."""
    script = tmp_path / "dcm2niix"
    about = "import sys, time, subprocess\nout, source = sys.argv[-2:]\n"
    script.write_text(f"#!{sys.executable}\n{about}{lines}\n")
    script.chmod(0o755)
    real = dcm2niix.program()
    monkeypatch.setattr(dcm2niix, "program", lambda: str(script))
    return real


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("sys.exit(8)", "status 8: only some of the files"),
        ("sys.exit(2)", "status 2: no DICOM image"),
        ("sys.exit(77)", "status 77: a status that it does not document"),
        ("pass", "made 0 images"),
        ("[open(f'{out}/{n}.nii', 'w') for n in 'ab']", "made 2 images"),
        ("time.sleep(60)", "took longer than 1 s"),
    ],
)
def test_what_dcm2niix_refuses_is_told(stack, tmp_path, monkeypatch, lines, reason):
    pretend(monkeypatch, tmp_path, lines)
    with pytest.raises(Refused, match=reason):
        by_dcm2niix(*stack, seconds=1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("image.dataobj[..., 1] += 1", "other values"),
        ("image.set_sform(image.affine + np.eye(4)[:, [3, 0, 1, 2]])", "another place"),
        ("image = image.slicer[..., :2]", r"made \(2, 37, 33\) of \(3, 37, 33\)"),
    ],
)
def test_another_volume_than_our_own_reader_sees_is_not_taken(
    stack, tmp_path, monkeypatch, change, reason
):
    real = dcm2niix.program()
    lines = f"""
import nibabel, numpy as np
subprocess.run([{real!r}, *sys.argv[1:]], stdout=subprocess.DEVNULL, check=True)
image = nibabel.load(out + "/image.nii", mmap=False)
image = nibabel.Nifti1Image(np.array(image.dataobj), image.affine)
{change}
image.to_filename(out + "/image.nii")
"""
    pretend(monkeypatch, tmp_path, lines)
    with pytest.raises(Refused, match=reason):
        by_dcm2niix(*stack, seconds=60)


def test_without_the_program_the_user_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr(dcm2niix, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingError, match="--converter medclean"):
        dcm2niix.program()
