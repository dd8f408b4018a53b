"""Derived instances before other people's programs; skipped where one is not installed."""

import shutil
import subprocess
from copy import deepcopy
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
from medclean.archive.dicom.residual import refusal
from medclean.errors import DataError, Exit
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.pipelines.denoise import denoise
from multiframes import TYPES, enhanced, frame, macro, scaled, typed
from peers import complaints, news, program
from rules.pair import frame_items

SHARED = Path(__file__).parents[2] / "shared" / "data"
CLASSIC = ("CT", "MR", "PT")
REAL = [
    *sorted(SHARED.glob("dicom/*/*0.dcm")),
    *sorted(path for name in CLASSIC for path in SHARED.glob(f"dicom_odd/*-{name}-*.dcm")),
]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # of odd real values
REMOVED = replace(STEP, role="residual")
FRAME_ANATOMY = {"FrameAnatomySequence": macro(FrameLaterality="U")}
FOLDERS = ("mr_brain_t1gd_siemens", "ct_abdomen_siemens_j2k")


@pytest.mark.parametrize("modality", CLASSIC)
@pytest.mark.parametrize("syntax", sorted({*SYNTAXES} - {"deflated"}))  # it cannot inflate
def test_dciodvfy_finds_nothing_new(tmp_path, modality, syntax):
    made = Derived(tmp_path, dicoms.image(modality=modality, private=True), syntax=syntax)
    assert not news(made.root / "a.dcm", made.to)


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
@pytest.mark.parametrize("syntax", ["implicit", "explicit", "rle"])
def test_dciodvfy_finds_nothing_new_in_multi_frame(tmp_path, modality, syntax):
    data = enhanced([frame(0.0), frame(2.5), frame(5.0)], modality=modality, shared=FRAME_ANATOMY)
    made = Derived(tmp_path, deepcopy(data), syntax=syntax, context=3)
    (tmp_path / "again" / "in").mkdir(parents=True)
    shutil.copy(made.to, tmp_path / "again" / "in")
    again = Derived(tmp_path / "again", context=None)
    assert not news(made.root / "a.dcm", made.to)
    assert not news(again.root / "a.dcm", again.to)
    removed = Derived(
        tmp_path / "removed", data, syntax=syntax, step=REMOVED, result=np.zeros((3, 9, 8), "f4")
    )
    assert not news(removed.root / "a.dcm", removed.to, residual=True)


@pytest.mark.parametrize("modality", CLASSIC)
@pytest.mark.parametrize("place", range(3))
def test_dciodvfy_finds_nothing_new_where_a_frame_went_through_unchanged(tmp_path, modality, place):
    kinds = [{TYPES[modality]: typed("ORIGINAL", "PRIMARY", "VOLUME", "NONE")} for _ in range(3)]
    kinds[place][TYPES[modality]][0].FrameType = ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]
    frames = [frame(2.5 * number, **kind) for number, kind in enumerate(kinds)]
    shared = FRAME_ANATOMY | {TYPES[modality]: None}
    data = enhanced(frames, modality=modality, shared=shared)
    made = Derived(tmp_path, data, include=())
    assert made.series.instances[0].passed == (place,)
    assert not news(made.root / "a.dcm", made.to)


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
        assert not news(real, made.to)


def test_dciodvfy_finds_nothing_new_in_residuals_of_real_files(tmp_path, real):
    (series,) = series_in(real.parent)
    if refusal(series):
        pytest.skip("gets no residual")
    pixels = read(real.parent, series, 0)
    made = Derived(tmp_path, result=pixels.real * np.float32(0.9), step=REMOVED)
    if made.source.file_meta.TransferSyntaxUID != DeflatedExplicitVRLittleEndian:
        assert not news(real, made.to, residual=True)


@pytest.mark.parametrize("modality", CLASSIC)
@pytest.mark.parametrize("signed", [False, True])
def test_dciodvfy_finds_nothing_new_in_residuals(tmp_path, modality, signed):
    stored = dicoms.pattern((40, 36), bits=12, signed=signed)
    result = np.zeros((1, 40, 36), np.float32)
    data = dicoms.image(stored, modality=modality, bits=12, private=True, padding=7)
    made = Derived(tmp_path, data, result=result, step=REMOVED)
    assert not news(made.root / "a.dcm", made.to, residual=True)


@pytest.mark.parametrize("wanted", ["keep", "explicit"])
@pytest.mark.usefixtures("real")
def test_pydicom_reads_the_same_in_real_files(tmp_path, wanted):
    made = Derived(tmp_path, wanted=wanted)
    for tag in made.data.keys() - made.changed() - {tag_of("PixelData")}:
        assert made.data[tag] == made.source[tag]
    if made.source.file_meta.TransferSyntaxUID != JPEGExtended12Bit:  # pydicom cannot decode it
        assert np.array_equal(made.data.pixel_array, made.source.pixel_array)


@pytest.fixture
def converted(tmp_path):
    """Converts a folder of classic images into the folder of one legacy converted object."""
    legacy = pytest.importorskip("highdicom.legacy")
    classes = {
        "CT": legacy.LegacyConvertedEnhancedCTImage,
        "MR": legacy.LegacyConvertedEnhancedMRImage,
        "PT": legacy.LegacyConvertedEnhancedPETImage,
    }

    def convert(paths, to):
        datas = [pydicom.dcmread(path) for path in paths]
        uids = dicoms.uid("converted"), dicoms.uid("converted", to)
        data = classes[datas[0].Modality](datas, uids[0], 7, uids[1], 1)
        to.mkdir(parents=True)
        data.save_as(to / "a.dcm")
        return to

    return convert


SCALED = {
    "CT": {"signed": True, "bits": 12, "intercept": "-1024", "padding": -2048},
    "MR": {"bits": 12, "slope": "1.5"},
    "PT": {"bits": 16, "slope": "0.125"},
}


@pytest.mark.parametrize("modality", CLASSIC)
@pytest.mark.parametrize("model", ["identity", "gaussian:sigma=1"])
@pytest.mark.filterwarnings("ignore:Cannot determine value")
def test_a_converted_series_comes_out_as_the_classic_one(tmp_path, converted, modality, model):
    how = SCALED[modality] | {"modality": modality, "orientation": dicoms.OBLIQUE}
    paths = dicoms.series(tmp_path / "in" / "classic", 4, **how)
    for number, path in enumerate(paths):  # as PET does, each slice has a slope of its own
        data = pydicom.dcmread(path)
        data.RescaleSlope = f"{float(how.get('slope', 1)) * (1 + number / 8):g}"
        data.save_as(path)
    converted(paths, tmp_path / "in" / "legacy")
    how = {"residual": True, "strength": 0.25}  # of noise that takes up all of 16 bits
    job = DenoiseJob((tmp_path / "in",), model, out=tmp_path / "out", **how)
    assert denoise(job, Log(quiet=True)).exit == Exit.DONE
    source, made = (pydicom.dcmread(tmp_path / name / "legacy" / "a.dcm") for name in ("in", "out"))
    classic = {
        tuple(data.ImagePositionPatient): data
        for data in (pydicom.dcmread(tmp_path / "out" / "classic" / path.name) for path in paths)
    }
    frames, pixels = made.PerFrameFunctionalGroupsSequence, made.pixel_array
    for number, groups in enumerate(frames):
        single = classic.pop(tuple(groups.PlanePositionSequence[0].ImagePositionPatient))
        np.testing.assert_array_equal(pixels[number], single.pixel_array)
        values = groups.PixelValueTransformationSequence[0]
        assert values.RescaleSlope == single.RescaleSlope
        (step,) = groups.DerivationImageSequence
        assert step.DerivationCodeSequence == single.DerivationCodeSequence
        assert step.SourceImageSequence[0].ReferencedFrameNumber == number + 1
    assert not classic
    removed_as_classic(tmp_path / "out" / "residual", paths)
    changed = not np.array_equal(pixels, source.pixel_array)
    assert changed == (model != "identity")
    assert made.SOPClassUID == source.SOPClassUID
    before = tmp_path / "in" / "legacy" / "a.dcm"
    assert not news(before, tmp_path / "out" / "legacy" / "a.dcm")
    assert not news(before, tmp_path / "out" / "residual" / "legacy" / "a.dcm", residual=True)


def removed_as_classic(folder, paths):
    """Each frame of a residual is what the residual of that classic image is."""
    made = pydicom.dcmread(folder / "legacy" / "a.dcm")
    classic = [pydicom.dcmread(folder / "classic" / path.name) for path in paths]
    singles = {tuple(data.ImagePositionPatient): data for data in classic}
    for number, groups in enumerate(made.PerFrameFunctionalGroupsSequence):
        single = singles.pop(tuple(groups.PlanePositionSequence[0].ImagePositionPatient))
        np.testing.assert_array_equal(made.pixel_array[number], single.pixel_array)
        values, shown, step = (
            frame_items(made, f"{macro}Sequence")[number][0]
            for macro in ("PixelValueTransformation", "FrameVOILUT", "DerivationImage")
        )
        for keyword in ("RescaleSlope", "RescaleIntercept"):
            assert values[keyword] == single[keyword]
        for keyword in ("WindowCenter", "WindowWidth", "VOILUTFunction"):
            assert shown[keyword] == single[keyword]
        if single.Modality == "CT":
            assert values.RescaleType == single.RescaleType == "US"
        assert step.DerivationCodeSequence == single.DerivationCodeSequence
    assert not singles


@pytest.mark.parametrize("modality", CLASSIC)
@pytest.mark.filterwarnings("ignore:Cannot determine value")
def test_frames_of_a_converted_series_lie_where_its_slices_lay(tmp_path, converted, modality):
    paths = dicoms.series(tmp_path / "classic", 4, modality=modality, orientation=dicoms.OBLIQUE)
    ((before,),) = (series.groups for series in series_in(tmp_path / "classic"))
    ((after,),) = (series.groups for series in series_in(converted(paths, tmp_path / "legacy")))
    np.testing.assert_allclose(after.affine, before.affine, atol=1e-4)
    assert (after.shape, len(after.frames)) == (before.shape, 4)
    assert after.spacing == pytest.approx(before.spacing)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_dcmdump_reads_it(tmp_path, syntax):
    made = Derived(tmp_path, dicoms.image(modality="MR", private=True), syntax=syntax)
    said = subprocess.run([program("dcmdump"), "-q", made.to], capture_output=True, text=True)
    assert said.returncode == 0
    assert f"[{made.data.SeriesDescription}]" in said.stdout


@pytest.mark.parametrize(("wanted", "name"), [("rle", "dcmdrle"), ("jpegls", "dcmdjpls")])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("modality", [None, "MR"], ids=["classic", "enhanced"])
def test_dcmtk_decodes_it(tmp_path, wanted, name, signed, modality):
    stored = np.linspace(-2048, 2047, 3 * 40 * 36).astype(np.int16).reshape(3, 40, 36)
    stored = stored if signed else (stored + 2048).astype(np.uint16)
    frames = [frame(place) for place in (0.0, 2.5, 5.0)]
    data = enhanced(frames, stored) if modality else dicoms.image(stored[1], bits=12)
    made = Derived(tmp_path, data, wanted=wanted)
    native = tmp_path / "native.dcm"
    subprocess.run([program(name), made.to, native], check=True, capture_output=True)
    assert not pydicom.dcmread(native).file_meta.TransferSyntaxUID.is_encapsulated
    np.testing.assert_array_equal(
        pydicom.dcmread(native).pixel_array, stored if modality else stored[1]
    )


@pytest.mark.parametrize("modality", CLASSIC)
@pytest.mark.parametrize("role", ["image", "residual"])
def test_highdicom_reads_frames_and_their_volume(tmp_path, modality, role):
    highdicom = pytest.importorskip("highdicom")
    scale = {"PixelValueTransformationSequence": scaled("0.5", "-10", "US")}
    data = enhanced([frame(p) for p in (0.0, 2.5, 5.0)], modality=modality, shared=scale)
    result = np.zeros((3, 9, 8), np.float32)
    made = Derived(tmp_path, data, step=replace(STEP, role=role), result=result).data
    image = highdicom.imread(tmp_path / "out" / "a.dcm")
    expected = made.pixel_array * 0.5 - (10 if role == "image" else 0)
    np.testing.assert_array_equal(image.get_frames(), expected)
    volume = image.get_volume()
    assert volume.spacing == pytest.approx((2.5, 0.75, 0.5))
    assert sorted(map(np.sum, volume.array)) == pytest.approx(sorted(map(np.sum, expected)))


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
