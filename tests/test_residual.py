"""What was removed, as series of their own: with the result it adds up to the source, exactly."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydicom import dcmread
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

import dicoms
from derived import STEP, Derived
from medclean.archive import formats
from medclean.archive.dicom.residual import window
from medclean.archive.layout import Layout
from medclean.archive.numbers import Encoding, Pixels, Stored, residual
from medclean.archive.series import digest_of
from medclean.errors import Exit, UsageError, WriteError
from medclean.inference.denoiser import Denoiser
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.pipelines.denoise import denoise

REMOVED = replace(STEP, role="residual")
INTEGERS = [f"{sign}{width}" for sign in "iu" for width in (1, 2, 4, 8)]
BOTH = Layout(("image", "residual"))
pytestmark = pytest.mark.usefixtures("no_processes")  # ``out`` has had them


def run(study, out, model="median", **options):
    job = DenoiseJob((study,), model, out=out, workers=2, **{"residual": True, **options})
    return denoise(job, Log(quiet=True))


def manifest(out):
    return json.loads((out / "medclean-run" / "manifest.json").read_text())


def tree(out):
    files = [p for p in out.rglob("*") if p.is_file() and "medclean-run" not in p.parts]
    return {str(p.relative_to(out)): sha256(p.read_bytes()).hexdigest() for p in files}


def smooth(number=0, *, bits=12, signed=False):
    """An image with noise, of which every encoder makes something smaller; both ends are in it."""
    rng = np.random.default_rng(number)
    ramp = np.linspace(-0.2, 0.2, 40 * 36).reshape(40, 36) + rng.normal(0, 0.02, (40, 36))
    values = (ramp + (0 if signed else 0.5)) * (1 << bits)
    values[20, 20:22] = -1e9, 1e9
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return np.clip(values, low, high).astype(np.int16 if signed else np.uint16)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """CT with padding, MR, signed PET and MONOCHROME1, in four encodings."""
    folder = tmp_path_factory.mktemp("residual") / "study"
    kinds = {
        "ct": ({"intercept": "-1024", "padding": -2000, "RescaleType": "HU"}, True, None),
        "mr": ({"modality": "MR", "slope": "7.839", "intercept": "-4096"}, False, RLELossless),
        "pt": ({"modality": "PT", "slope": "0.00312"}, True, JPEG2000Lossless),
        "mono1": ({"photometric": "MONOCHROME1"}, False, JPEGLSLossless),
    }
    for series, (name, (how, signed, syntax)) in enumerate(kinds.items(), 1):
        for number in (1, 2):
            stored = smooth(number, signed=signed)
            stored[:5] = how.get("padding", stored[:5])
            data = dicoms.image(stored, number=number, series=series, bits=12, **how)
            dicoms.save(data, folder / name / f"{number}.dcm", *([syntax] if syntax else []))
    return folder


@pytest.fixture(scope="module")
def out(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("residual") / "out"
    assert run(study, out).files == 16
    return out


def triples(study, out):
    for path in sorted(study.rglob("*.dcm")):
        name = path.relative_to(study)
        yield tuple(map(dcmread, (path, out / name, out / "residual" / name)))


def test_result_and_residual_add_up_to_the_source(study, out):
    for source, denoised, removed in triples(study, out):
        both = denoised.pixel_array.astype(int) + removed.pixel_array
        np.testing.assert_array_equal(both, source.pixel_array)
        assert removed.pixel_array.any()
        assert removed.file_meta.TransferSyntaxUID == source.file_meta.TransferSyntaxUID


def test_a_residual_says_what_it_is(study, out):
    for source, denoised, removed in triples(study, out):
        assert removed.SOPClassUID == source.SOPClassUID
        assert removed.SeriesDescription.startswith("RESIDUAL ")
        assert removed.DerivationDescription.endswith("source minus result")
        assert removed.ImageType[:2] == [
            "DERIVED",
            "PRIMARY" if source.Modality == "PT" else "SECONDARY",
        ]
        codes = [item.CodeValue for item in removed.DerivationCodeSequence]
        assert codes[-1] == "113062"
        assert codes[:-1] == [item.CodeValue for item in denoised.DerivationCodeSequence]
        numbers = [source.SeriesNumber + 1000 * k for k in range(3)]
        assert [d.SeriesNumber for d in (source, denoised, removed)] == numbers
        assert len({d.SeriesInstanceUID for d in (source, denoised, removed)}) == 3
        for kept in ("ImagePositionPatient", "FrameOfReferenceUID", "SeriesTime", "PixelSpacing"):
            assert removed[kept] == source[kept]


def test_a_residual_names_source_and_result(study, out):
    for source, denoised, removed in triples(study, out):
        pairs = [(d.SOPClassUID, d.SOPInstanceUID) for d in (source, denoised)]
        named = removed.SourceImageSequence
        assert [(i.ReferencedSOPClassUID, i.ReferencedSOPInstanceUID) for i in named] == pairs
        assert {i.PurposeOfReferenceCodeSequence[0].CodeValue for i in named} == {"121322"}
        covered = {
            (where.SeriesInstanceUID, item.ReferencedSOPInstanceUID)
            for where in removed.ReferencedSeriesSequence
            for item in where.ReferencedInstanceSequence
        }
        assert covered == {(d.SeriesInstanceUID, d.SOPInstanceUID) for d in (source, denoised)}


def test_its_numbers_are_differences_in_the_source_s_units(study, out):
    for source, _, removed in triples(study, out):
        depth = (removed.BitsAllocated, removed.BitsStored, removed.HighBit)
        assert (depth, removed.PixelRepresentation) == ((16, 16, 15), 1)
        assert removed["RescaleSlope"] == source["RescaleSlope"]
        assert removed.RescaleIntercept == 0
        assert removed.get("RescaleType") == ("US" if source.Modality == "CT" else None)
        assert "PixelPaddingValue" not in removed
        shown = np.abs(removed.pixel_array * float(removed.RescaleSlope)) <= removed.WindowWidth / 2
        assert removed.WindowCenter == 0
        assert 0.98 < shown.mean() <= 1


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"modality": "MR", "slope": None, "intercept": None}, (None, None, None)),
        ({"modality": "MR", "slope": "2", "RescaleType": "normalized"}, (2, 0, "normalized")),
        ({"modality": "MR", "slope": ["2", "3"]}, ([2, 3], 0, None)),  # the first one counts
        ({"slope": None, "intercept": None}, (1, 0, "US")),
        ({"modality": "SC", "slope": "2", "RescaleType": "HU"}, (2, 0, "US")),
    ],
)
def test_rescale(tmp_path, elements, expected):
    made = Derived(tmp_path, dicoms.image(smooth(), bits=12, **elements), step=REMOVED).data
    keys = ("RescaleSlope", "RescaleIntercept", "RescaleType")
    assert tuple(made.get(key) for key in keys) == expected


def test_what_speaks_of_the_source_s_values_is_gone(tmp_path):
    from pydicom.dataset import Dataset

    gone = ("VOILUTSequence", "RealWorldValueMappingSequence", "WindowCenterWidthExplanation")
    data = dicoms.image(smooth(), bits=12, padding=5, padding_limit=9)
    data.VOILUTSequence = data.RealWorldValueMappingSequence = [Dataset()]
    data.WindowCenter, data.WindowWidth, data.WindowCenterWidthExplanation = 40, 400, "BRAIN"
    data.add_new("SmallestImagePixelValue", "US", 3)
    made = Derived(tmp_path, data, step=REMOVED).data
    assert not [
        key for key in (*gone, "PixelPaddingValue", "PixelPaddingRangeLimit") if key in made
    ]
    assert (made.WindowCenter, made.WindowWidth, made.VOILUTFunction) == (0, 2, "LINEAR_EXACT")
    assert (made["SmallestImagePixelValue"].VR, made.SmallestImagePixelValue) == ("SS", 0)


@pytest.mark.parametrize(
    ("reach", "slope", "width"), [(0, 1, 2), (7, 1, 20), (300, -0.001, 1), (7, 1e308, 1e307)]
)
def test_windows_are_round_and_symmetric(reach, slope, width):
    removed = np.full((1, 10, 10), -reach, np.int16)
    assert window(removed, slope) == pytest.approx(width)


def test_the_result_does_not_depend_on_its_residual(study, out, tmp_path):
    run(study, tmp_path / "out", residual=False)
    both = tree(out)
    alone = {path: digest for path, digest in both.items() if not path.startswith("residual/")}
    assert tree(tmp_path / "out") == alone
    with pytest.raises(UsageError, match="residual"):
        run(study, tmp_path / "out")


def test_the_manifest_names_both(out):
    record = manifest(out)
    for line in record["inputs"]:
        assert line["output"] == line["path"]
        assert line["residual"] == f"residual/{line['path']}"
    assert [series["outputs"] for series in record["series"]] == [4] * 4


def test_what_is_lost_is_done_again(study, out, tmp_path):
    copy = shutil.copytree(out, tmp_path / "out")
    (copy / "residual" / "mr" / "2.dcm").unlink()
    (copy / "pt" / "1.dcm").write_bytes(b"altered")
    assert run(study, copy).exit == Exit.DONE
    assert tree(copy) == tree(out)


def test_a_file_is_staged_once_both_of_its_outputs_are(study, out, tmp_path, monkeypatch):
    """A run stops between an image and its residual; the next one goes on to the same tree."""
    whole, written = formats.write, []

    def stops(root, series, instance, stored, plan, to):
        if stored.denoised and "2.dcm" in to.name and "mr" in to.parts:
            raise WriteError("disk full")
        written.append((series.instances[0].path, bool(stored.denoised)))
        return whole(root, series, instance, stored, plan, to)

    monkeypatch.setattr(Denoiser, "filter", None)  # to be computed, and told to write, here
    monkeypatch.setattr(formats, "write", stops)
    with pytest.raises(WriteError):
        run(study, tmp_path / "out")
    assert not (tmp_path / "out" / "mr").exists()
    monkeypatch.setattr(formats, "write", lambda *task: (written.append(task), whole(*task))[1])
    written.clear()
    assert run(study, tmp_path / "out").exit == Exit.DONE
    again = {(task[1].instances[0].path, bool(task[3].denoised)) for task in written}
    assert ("mr/2.dcm", True) in again
    assert ("mr/1.dcm", False) not in again
    assert tree(tmp_path / "out") == tree(out)


def test_a_series_with_too_wide_a_difference_has_none(tmp_path, capsys):
    noise = np.random.default_rng(0).choice(np.array([0, 0xFFFF], np.uint16), (40, 36))
    dicoms.save(dicoms.image(smooth(), bits=12), tmp_path / "study" / "a" / "1.dcm")
    dicoms.save(dicoms.image(smooth(), series=2, bits=12), tmp_path / "study" / "b" / "1.dcm")
    dicoms.save(dicoms.image(noise, series=2, number=2), tmp_path / "study" / "b" / "2.dcm")
    job = DenoiseJob((tmp_path / "study",), "median", out=tmp_path / "out", residual=True)
    assert denoise(job, Log()).exit == Exit.DONE
    outputs = set(tree(tmp_path / "out"))
    assert outputs == {"a/1.dcm", "residual/a/1.dcm", "b/1.dcm", "b/2.dcm"}
    (note,) = [s["notes"] for s in manifest(tmp_path / "out")["series"] if s["notes"]]
    assert note == ["no residual: 1 of its files changed by more than signed 16 bits can say"]
    assert note[0] in capsys.readouterr().err
    assert run(tmp_path / "study", tmp_path / "out").line.startswith("2 series done")
    assert set(tree(tmp_path / "out")) == outputs


@pytest.mark.parametrize(
    ("files", "place"),
    [
        (["a/1.dcm", "residual/a/1.dcm"], "residual/a/1.dcm"),
        (["a/1.dcm", "residual"], "residual"),
        (["residual/a/1.dcm", "a"], "residual/a"),
    ],
)
def test_a_study_with_such_a_folder_of_its_own_is_refused(tmp_path, files, place):
    for number, name in enumerate(files, 1):
        dicoms.save(dicoms.image(smooth(), number=number, bits=12), tmp_path / "study" / name)
    with pytest.raises(UsageError, match=f"both need {place}:"):
        run(tmp_path / "study", tmp_path / "out")
    assert not tree(tmp_path / "out")
    assert run(tmp_path / "study", tmp_path / "other", residual=False).exit == Exit.DONE


def test_a_folder_of_that_name_is_no_clash_by_itself():
    BOTH.refuse_clashes(["a/1.dcm", "residual/b/1.dcm", "residual/1.dcm"])
    with pytest.raises(UsageError):
        BOTH.refuse_clashes(["a/1.dcm", "residual/b/1.dcm", "b/1.dcm"])


# Numbers


def pixels(stored):
    ends = np.iinfo(stored.dtype) if stored.dtype.kind in "iu" else np.finfo(stored.dtype)
    frames = len(stored)
    how = Encoding((1.0,) * frames, (5.0,) * frames, int(ends.min), int(ends.max))
    return Pixels(stored, np.zeros(stored.shape, bool), how, digest_of(stored))


@given(st.data(), st.sampled_from(INTEGERS))
def test_integers_add_up_or_are_counted(data, kind):
    ends = np.iinfo(kind)
    edges = (0, 1, -1, 0x7FFF, 0x8000, 0x8001, -0x8000, -0x8001, int(ends.min), int(ends.max))
    elements = st.integers(int(ends.min), int(ends.max)) | st.sampled_from(
        [edge for edge in edges if ends.min <= edge <= ends.max]
    )
    source, result = (
        data.draw(arrays.arrays(kind, (2, 2, 3), elements=elements)) for _ in range(2)
    )
    image = pixels(source)
    made = residual(Stored(result, image.encoding, image.digest), image)
    wanted = [int(s) - int(r) for s, r in zip(source.flat, result.flat, strict=True)]
    fits = [-(1 << 15) <= difference < 1 << 15 for difference in wanted]
    assert made.array.dtype == np.int16
    assert made.clamped == len(fits) - sum(fits)
    got = made.array.ravel().tolist()
    assert [g for g, fit in zip(got, fits, strict=True) if fit] == [
        w for w, fit in zip(wanted, fits, strict=True) if fit
    ]
    assert (made.encoding.bits, made.encoding.intercept) == (16, (0.0, 0.0))
    assert made.denoised == digest_of(result)


FLOATS = st.floats(-(2.0**60), 2.0**60, width=32)


@given(*(arrays.arrays(np.float32, (1, 2, 4), elements=e) for e in (FLOATS, FLOATS)))
def test_floats_are_rounded_once(source, result):
    image = pixels(source)
    made = residual(Stored(result, image.encoding, image.digest), image)
    wide = source.astype(np.longdouble) - result
    assert made.array.dtype == np.float32
    assert made.clamped == 0
    assert (abs(made.array - wide) <= np.spacing(abs(made.array)) / 2).all()


@given(
    arrays.arrays(np.float32, (1, 2, 4), elements=FLOATS),
    arrays.arrays(np.float32, (1, 2, 4), elements=st.floats(0.5, 2, width=32)),
)
def test_floats_of_like_size_add_up(source, share):
    """Sterbenz 1974: nothing is rounded where neither is more than twice the other."""
    image = pixels(source)
    low, high = abs(source) / 2, 2 * abs(source)
    result = np.copysign(np.clip(abs(source * share), low, high), source)
    made = residual(Stored(result, image.encoding, image.digest), image)
    np.testing.assert_array_equal(result + made.array, source)


def test_floats_that_overflow_are_counted():
    image = pixels(np.array([[[3e38, -3e38, 1]]], np.float32))
    made = residual(Stored(-image.stored, image.encoding, image.digest), image)
    assert made.clamped == 2


# NIfTI


@pytest.mark.parametrize("kind", ["u1", "i2", ">i2", "u2", "i4", ">f4", "f8"])
@pytest.mark.parametrize("version", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_nifti_has_one_too(tmp_path, kind, version):
    study = tmp_path / "study"
    study.mkdir()
    values = (np.random.default_rng(0).normal(100, 9, (12, 10, 4))).astype(kind)
    header = version.header_class(endianness=">" if kind[0] == ">" else "<")
    image = version(values, np.diag([-2, -2, 3, 1]), header=header, dtype=values.dtype)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"kept"))
    image.header["cal_max"] = 200
    image.to_filename(study / "a.nii.gz")
    (study / "a.json").write_text('{"Modality": "MR"}')
    out = tmp_path / "out"
    assert run(study, out).files == 3
    source, denoised, removed = (
        nibabel.load(folder / "a.nii.gz") for folder in (study, out, out / "residual")
    )
    stored = [
        np.asarray(i.dataobj.get_unscaled()).astype("f8") for i in (source, denoised, removed)
    ]
    np.testing.assert_array_equal(stored[1] + stored[2], stored[0])
    assert stored[2].any()
    floats = values.dtype.kind == "f"
    assert removed.get_data_dtype() == (
        values.dtype if floats else np.dtype(f"{header.endianness}i2")
    )
    changed = {"datatype", "bitpix", "cal_max", "intent_code", "intent_name", "scl_inter"}
    same = [
        key
        for key in source.header
        if source.header[key].tobytes() == removed.header[key].tobytes()
    ]
    assert set(source.header) - set(same) <= changed
    assert removed.header.extensions[0].get_content() == b"kept"
    again = run(out / "residual", tmp_path / "again", modality="MR")
    assert again.exit == Exit.NOTHING_TO_DO  # it says that it is no image


def test_nifti_differences_keep_slope_and_lose_intercept(tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    values = (np.random.default_rng(0).normal(100, 9, (12, 10, 4))).astype(np.uint16)
    nibabel.Nifti1Image(values, np.eye(4)).to_filename(study / "a.nii")
    raw = bytearray((study / "a.nii").read_bytes())
    raw[112:120] = np.array([0.25, -7], "<f4").tobytes()
    (study / "a.nii").write_bytes(raw)
    run(study, tmp_path / "out", modality="MR")
    real = [
        nibabel.load(tmp_path / folder / "a.nii").get_fdata()
        for folder in ("study", "out", "out/residual")
    ]
    np.testing.assert_array_equal(real[1] + real[2], real[0])
