"""The rule checker: it passes what is right, and sees each way of being wrong."""

import os
import re
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import DeflatedExplicitVRLittleEndian, EnhancedMRImageStorage, JPEGLSNearLossless

import dicoms
import peers
from derived import STEP, Derived, odd
from medclean.archive.derivation import CODES
from medclean.archive.dicom.uids import hashed_uid
from medclean.errors import Exit
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.pipelines.denoise import denoise
from rules import check, standard
from rules.content import pixels
from rules.pair import Pair
from rules.trees import Sources, files, report

ARCHIVES = [
    Path(pydicom.data.__file__).with_name("test_files"),
    Path(__file__).parents[2] / "shared" / "data" / "dicom_odd",
]
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.6.1"
pytestmark = [
    pytest.mark.breaks_rules,
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),  # of what is broken on purpose
]


@pytest.fixture
def made(tmp_path):
    """A derived CT, of a source with a step, equipment and references of its own."""
    code, item, image = Dataset(), Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "113072", "DCM", "MPR"
    item.Manufacturer, item.PurposeOfReferenceCodeSequence = "Acme", [deepcopy(code)]
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2"
    data = odd(
        DerivationCodeSequence=[code],
        ContributingEquipmentSequence=[item],
        ReferencedImageSequence=[image],
        DerivationDescription="Resliced",
        WindowCenter="40",
        WindowWidth="400",
        SmallestImagePixelValue=0,
        LossyImageCompression="01",
        LossyImageCompressionRatio=["7", "2"],
        LossyImageCompressionMethod=["ISO_10918_1", "ISO_15444_1"],
    )
    data["SmallestImagePixelValue"].VR = "US"
    return Derived(tmp_path, data)


def broken(made, breaks):
    """The rules that a derived object breaks once it was changed and written anew."""
    data = made.data
    breaks(data)
    data.save_as(made.to)
    return {rule for rule, _ in check(Pair.read(made.root / "a.dcm", made.to))}


def set_to(keyword, value):
    return lambda data: setattr(data, keyword, value)


def within(sequence, keyword, value, place=-1):
    return lambda data: setattr(data[sequence].value[place], keyword, value)


def removed(keyword):
    return lambda data: data.pop(keyword)


def wide_pixels(data):
    """32 bits a pixel, which no CT has."""
    data.PixelData = data.pixel_array.astype(np.uint32).tobytes()
    data.BitsAllocated, data.BitsStored, data.HighBit = 32, 32, 31


def bits_above(data):
    data.BitsStored, data.HighBit = 12, 11


def shorter(data):
    data.PixelData = data.PixelData[:-4]


def invented(data):
    item = data.DerivationCodeSequence[-1]
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "999999", "DCM", "Denoising"


def wrong_meaning(data):
    data.DerivationCodeSequence[-1].CodeMeaning = "Smoothing"


def twice(sequence):
    return lambda data: data[sequence].value.append(deepcopy(data[sequence].value[-1]))


def without_last(sequence):
    return lambda data: data[sequence].value.pop()


def without_first(sequence):
    return lambda data: data[sequence].value.pop(0)


def private_value(data):
    data[0x00191001].value = ["1.51", "-2.0"]


def private_text(data):
    data[0x00291010].value = "another note"


def private_nested(data):
    data[0x00191003].value[0].CodeMeaning = "two"


def meta(keyword, value):
    def change(data):
        setattr(data.file_meta, keyword, value)
        if keyword == "MediaStorageSOPInstanceUID":
            assert data.SOPInstanceUID != value

    return change


def preamble(data):
    data.preamble = b"DOE^JANE".ljust(128, b"\0")


def nested_date(data):
    data.RequestAttributesSequence[0].add_new("ScheduledProcedureStepStartDate", "DA", "20200101")


def icon(data):
    data.IconImageSequence = Sequence([Dataset()])


def not_located(data):
    data.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID = "1.9"


def own_source(data):
    data.SourceImageSequence[0].ReferencedSOPInstanceUID = data.SOPInstanceUID


BREAKS = [
    (set_to("SOPInstanceUID", dicoms.uid("instance", 1, 1, 1)), "new UIDs"),
    (set_to("SOPInstanceUID", "2.25.1234567890"), "new UIDs"),
    (set_to("SeriesInstanceUID", dicoms.uid("series", 1, 1)), "new UIDs"),
    (set_to("SeriesInstanceUID", "1.2.826.0.1.3680043.8.498.1"), "new UIDs"),
    (set_to("StudyInstanceUID", hashed_uid(["another"])), "same study"),
    (set_to("FrameOfReferenceUID", hashed_uid(["another"])), "unchanged"),
    (set_to("SeriesNumber", 77), "series number"),
    (removed("SeriesNumber"), "series number"),
    (set_to("SeriesDescription", "Series 1"), "series description"),
    (set_to("SeriesDescription", "Series 2 [medclean dgan]"), "series description"),
    (set_to("SeriesDescription", "x" * 70 + " [medclean dgan]"), "texts"),
    (set_to("DerivationDescription", "medclean 0.1.0 denoise"), "derivation description"),
    (removed("DerivationDescription"), "derivation description"),
    (meta("MediaStorageSOPInstanceUID", "1.2.3"), "file meta"),
    (meta("ImplementationVersionName", "PYDICOM 3.0.2"), "file meta"),
    (meta("SourceApplicationEntityTitle", "SCANNER"), "file meta"),
    (preamble, "file meta"),
    (set_to("ImageType", ["ORIGINAL", "PRIMARY", "AXIAL"]), "image type"),
    (set_to("ImageType", ["DERIVED", "SECONDARY", "AXIAL"]), "image type"),
    (set_to("ImageType", ["DERIVED", "PRIMARY"]), "image type"),
    (set_to("ImageType", ["DERIVED", "PRIMARY", "Axial"]), "texts"),
    (invented, "derivation code"),
    (wrong_meaning, "derivation code"),
    (twice("DerivationCodeSequence"), "derivation code"),
    (without_last("DerivationCodeSequence"), "derivation code"),
    (without_first("DerivationCodeSequence"), "derivation code"),
    (removed("CodingSchemeIdentificationSequence"), "coding scheme"),
    (twice("CodingSchemeIdentificationSequence"), "coding scheme"),
    (removed("SourceImageSequence"), "source image"),
    (own_source, "source image"),
    (twice("SourceImageSequence"), "source image"),
    (within("SourceImageSequence", "SpatialLocationsPreserved", "NO"), "source image"),
    (within("SourceImageSequence", "PurposeOfReferenceCodeSequence", None), "source image"),
    (removed("ReferencedSeriesSequence"), "common instance reference"),
    (not_located, "common instance reference"),
    (within("ReferencedSeriesSequence", "SeriesInstanceUID", None), "standard"),
    (removed("ContributingEquipmentSequence"), "equipment"),
    (without_last("ContributingEquipmentSequence"), "equipment"),
    (without_first("ContributingEquipmentSequence"), "equipment"),
    (within("ContributingEquipmentSequence", "SoftwareVersions", None), "equipment"),
    (within("ContributingEquipmentSequence", "Manufacturer", None), "standard"),
    (set_to("Manufacturer", "medclean"), "unchanged"),
    (set_to("SeriesDate", "20261121"), "dates and times"),
    (set_to("AcquisitionTime", "101113.0"), "dates and times"),
    (removed("ContentTime"), "dates and times"),
    (nested_date, "dates and times"),
    (set_to("InstanceCreationDate", "20261121"), "removed"),
    (private_value, "private elements"),
    (private_text, "private elements"),
    (private_nested, "private elements"),
    (lambda data: data.pop(0x00191004), "private elements"),
    (set_to("PatientComments", "Odd"), "unchanged"),
    (set_to("WindowCenter", "50"), "unchanged"),
    (set_to("WindowCenter", "inf"), "texts"),
    (set_to("RescaleSlope", "2"), "unchanged"),
    (removed("ReferencedImageSequence"), "unchanged"),
    (set_to("ImageComments", "denoised"), "unchanged"),
    (set_to("InstanceCreatorUID", "1.2.3"), "removed"),
    (set_to("SOPInstanceStatus", "AO"), "removed"),
    (icon, "removed"),
    (wide_pixels, "standard"),
    (wide_pixels, "unchanged"),
    (bits_above, "pixels"),
    (shorter, "pixels"),
    (removed("PixelData"), "pixels"),
    (set_to("SmallestImagePixelValue", 5), "pixels"),
    (set_to("LossyImageCompression", "00"), "lossy history"),
    (removed("LossyImageCompression"), "lossy history"),
    (set_to("LossyImageCompressionRatio", "7"), "lossy history"),
    (removed("LossyImageCompressionMethod"), "lossy history"),
    (removed("KVP"), "standard"),
    (within("DerivationCodeSequence", "CodeMeaning", None), "standard"),
    (within("SourceImageSequence", "ReferencedSOPClassUID", None), "standard"),
    (set_to("HighBit", 14), "standard"),
]


def test_what_is_right_breaks_nothing(made):
    assert check(Pair.read(made.root / "a.dcm", made.to)) == []
    assert broken(made, lambda data: None) == set()  # nor does pydicom, who writes it anew


@pytest.mark.parametrize(
    ("breaks", "rule"), BREAKS, ids=[f"{n}-{r}" for n, (_, r) in enumerate(BREAKS)]
)
def test_each_way_to_be_wrong_is_seen(made, breaks, rule):
    if rule == "standard" and not standard.available() and breaks not in (wide_pixels,):
        pytest.skip("highdicom is not installed, so that the standard's tables are not here")
    assert rule in broken(made, breaks)


def test_a_violation_of_the_source_is_none_of_ours(tmp_path):
    made = Derived(tmp_path, dicoms.image(KVP=None, SliceThickness=None, FrameOfReferenceUID=None))
    assert check(Pair.read(made.root / "a.dcm", made.to)) == []


def test_a_group_length_is_seen(made):
    raw = made.to.read_bytes()
    at = raw.index(b"\x08\0\x05\0CS")  # Specific Character Set, the first element
    made.to.write_bytes(raw[:at] + b"\x08\0\0\0UL\4\0\1\2\0\0" + raw[at:])
    assert ("removed", "a group length is there") in check(Pair.read(made.root / "a.dcm", made.to))


def test_a_lossy_source_without_history_gets_one(tmp_path):
    stored = np.linspace(0, 4000, 64 * 64).astype(np.uint16).reshape(64, 64)
    how = {"jls_error": 2}
    dicoms.save(dicoms.image(stored, bits=12), tmp_path / "in" / "a.dcm", JPEGLSNearLossless, **how)
    made = Derived(tmp_path)
    assert broken(made, lambda data: None) == set()
    assert broken(made, removed("LossyImageCompressionRatio")) == {"lossy history"}


@pytest.mark.parametrize("wanted", ["explicit", "rle"])
def test_pixels_that_are_said_to_be_unchanged_are(tmp_path, wanted):
    step = replace(STEP, model="identity", code=CODES["IDENTITY"])
    made = Derived(tmp_path, dicoms.image(), step=step, wanted=wanted)
    other = Derived(tmp_path / "other", dicoms.image(dicoms.pattern(seed=1)), wanted=wanted)
    assert broken(made, lambda data: None) == set()
    assert broken(made, set_to("PixelData", other.data.PixelData)) == {"pixels"}


def test_simulated_images_are_held_against_other_rules(tmp_path):
    step = replace(STEP, command="add-noise", model="gaussian", code=CODES["SIMNOISE"])
    made = Derived(tmp_path, dicoms.image(), step=step)
    assert broken(made, set_to("ImageComments", "Simulated degradation")) == set()
    assert broken(made, set_to("SeriesDescription", "Series 1 [medclean dgan]")) == {
        "series description"
    }


def residual_of(made, name="residual.dcm"):
    """The residual of a derived MR image, by hand."""
    data = deepcopy(made.data)
    removed_ = made.source.pixel_array.astype(np.int32) - made.data.pixel_array
    data.PixelData = removed_.astype(np.int16).tobytes()
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.RescaleIntercept, data.WindowCenter, data.WindowWidth = "0", "0", "50"
    data.ImageType = ["DERIVED", "SECONDARY", *data.ImageType[2:]]
    data.SeriesDescription = f"RESIDUAL {data.SeriesDescription}"
    data.SOPInstanceUID, data.SeriesInstanceUID = (hashed_uid(["residual", n]) for n in "12")
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    code, source = Dataset(), deepcopy(data.SourceImageSequence[0])
    code.CodeValue, code.CodingSchemeDesignator = "113062", "DCM"
    code.CodeMeaning = "Pixel by pixel subtraction"
    data.DerivationCodeSequence.append(code)
    source.ReferencedSOPInstanceUID = made.data.SOPInstanceUID
    data.SourceImageSequence.append(source)
    where = deepcopy(data.ReferencedSeriesSequence[0])
    where.SeriesInstanceUID = made.data.SeriesInstanceUID
    where.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID = made.data.SOPInstanceUID
    data.ReferencedSeriesSequence.append(where)
    return data, made.to.with_name(name)


RESIDUALS = [
    (lambda data: None, set()),
    (set_to("PixelRepresentation", 0), {"residual"}),
    (set_to("RescaleIntercept", "-5"), {"residual"}),
    (set_to("PixelPaddingValue", 0), {"residual"}),
    (set_to("SeriesDescription", "Series 1 [medclean dgan]"), {"series description"}),
    (without_last("SourceImageSequence"), {"source image"}),
    (lambda data: data.__setattr__("PixelData", bytes(len(data.PixelData))), {"residual"}),
]


@pytest.mark.parametrize(("breaks", "rules"), RESIDUALS)
def test_residuals_are_held_against_other_rules(tmp_path, breaks, rules):
    stored = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    made = Derived(
        tmp_path,
        dicoms.image(stored, modality="MR"),
        result=np.full((1, 64, 64), 700, np.float32),
    )
    data, path = residual_of(made)
    breaks(data)
    if "PixelPaddingValue" in data:
        data["PixelPaddingValue"].VR = "SS"
    data.save_as(path)
    found = report(made.to.parent, Sources(files(tmp_path)))
    assert found[made.to] == []
    assert {rule for rule, _ in found[path]} == rules


def test_two_images_never_share_a_uid(tmp_path):
    one, other = (
        Derived(tmp_path / name, dicoms.image(), result=result)
        for name, result in {"a": None, "b": np.zeros((1, 37, 33), np.float32)}.items()
    )
    other.data.SOPInstanceUID = one.data.SOPInstanceUID
    other.data.file_meta.MediaStorageSOPInstanceUID = one.data.SOPInstanceUID
    other.data.save_as(other.to)
    found = report(tmp_path, Sources(files(tmp_path)))
    said = [what for broken in found.values() for rule, what in broken if rule == "new UIDs"]
    assert said == ["another image has the same SOPInstanceUID"]


LEFT_BEHIND = """
from pathlib import Path
from shutil import copy

import pytest

HERE = Path(__file__).parent
every = pytest.mark.parametrize("name", ["right", "unnamed", "elsewhere"])

@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return copy(HERE / "in" / "a.dcm", tmp_path_factory.mktemp("study"))

@pytest.fixture(scope="module")
def right(study, tmp_path_factory):
    copy(HERE / "right" / "a.dcm", tmp_path_factory.mktemp("right"))

@pytest.fixture(scope="module")
def unnamed(study, tmp_path_factory):
    copy(HERE / "unnamed" / "a.dcm", tmp_path_factory.mktemp("unnamed"))

@every
def test_own(name, tmp_path):
    copy(HERE / "in" / "a.dcm", tmp_path / "source.dcm")
    copy(HERE / name / "a.dcm", tmp_path)

def test_shared(right):
    pass

def test_shared_and_wrong(unnamed):
    pass
"""


def test_the_suite_fails_with_what_a_test_leaves_behind(tmp_path):
    """The hooks of conftest.py: a test that passes, and whose output is wrong, fails."""
    made = Derived(tmp_path, dicoms.image())
    wrong = {
        "right": lambda data: None,
        "elsewhere": within("SourceImageSequence", "ReferencedSOPInstanceUID", "1.2.3"),
        "unnamed": removed("SourceImageSequence"),
    }
    for name, breaks in wrong.items():
        breaks(made.data)
        (tmp_path / name).mkdir()
        made.data.save_as(tmp_path / name / "a.dcm")
    test = tmp_path / "test_left.py"
    test.write_text(LEFT_BEHIND)
    words = ["-q", "-rA", "-p", "conftest", "-p", "no:cacheprovider", "-c", "/dev/null", test]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        env={"PYTHONPATH": ":".join([str(Path(__file__).parent), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert {*re.findall(r"^([PFE]\w+) \S*::(\S+)", done.stdout, re.MULTILINE)} == {
        ("PASSED", "test_own[right]"),
        ("FAILED", "test_own[unnamed]"),
        ("FAILED", "test_own[elsewhere]"),
        ("PASSED", "test_shared"),
        ("ERROR", "test_shared_and_wrong"),
    }, done.stdout
    assert "a.dcm: source image: none is named" in done.stdout
    assert "a.dcm: source: is nowhere" in done.stdout


def test_a_folder_can_be_checked_from_the_shell(made):
    script = Path(__file__).with_name("check_derived.py")
    words = [sys.executable, script, made.root, made.to.parent]
    env = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:43]) == (0, "1 derived files: 0 break a rule, 0 lack the")
    broken(made, icon)
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "a.dcm: removed: IconImageSequence is there" in done.stdout


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("Error - </Rows(0028,0010)> - Value is odd", 0),  # as in the source
        ("Error - </ImageType(0008,0008)> - Value is odd", 1),
        ("Error - </RescaleType(0028,1054)> - Unrecognized defined term = <US>", 1),
        ("Warning - Unrecognized defined term = <99MEDCLEAN>", 0),
    ],
)
def test_what_dciodvfy_finds_new_counts(made, tmp_path, said, status):
    validator = tmp_path / "bin" / "dciodvfy"
    validator.parent.mkdir()
    validator.write_text(f"#!/bin/sh\ncase $2 in {made.to}) echo '{said}';; esac\n")
    validator.chmod(0o755)
    script = Path(__file__).with_name("check_derived.py")
    words = [sys.executable, script, made.root, made.to.parent, "--dciodvfy"]
    env = {"PYTHONPATH": ":".join(sys.path), "PATH": f"{validator.parent}:{os.environ['PATH']}"}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout
    assert (said in done.stdout) == bool(status)


@pytest.mark.parametrize(
    ("said", "residual", "sop_class", "new"),
    [
        ("</RescaleType(0028,1054)> - Unrecognized defined term = <US>", True, None, False),
        ("</RescaleType(0028,1054)> - Unrecognized defined term = <US>", False, None, True),
        ("</BitsStored(0028,0101)> - Unrecognized enumerated value = <10>", True, None, True),
        (
            "</BitsStored(0028,0101)> - Unrecognized enumerated value = <10>",
            True,
            ULTRASOUND,
            False,
        ),
        (
            "</BitsStored(0028,0101)> - Unrecognized enumerated value = <10>",
            False,
            ULTRASOUND,
            True,
        ),
    ],
)
def test_what_dciodvfy_is_forgiven_hangs_on_what_an_object_is(
    made, monkeypatch, said, residual, sop_class, new
):
    if sop_class:
        made.data.SOPClassUID = sop_class
        made.data.save_as(made.to)
    monkeypatch.setattr(peers, "complaints", lambda path: {said} if path == made.to else set())
    assert bool(peers.news(made.root / "a.dcm", made.to, residual=residual)) == new


@pytest.mark.slow
@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name)
def test_no_archive_breaks_a_rule(tmp_path, archive):
    if not archive.is_dir():
        pytest.skip("no shared images here")
    job = DenoiseJob((archive,), "identity", out=tmp_path / "out", include=("all",))
    done = denoise(replace(job, allow_gaps=True), Log(quiet=True))
    assert done.exit == Exit.PARTIAL  # some are broken in themselves
    found = report(tmp_path / "out", Sources(files(archive)))
    assert len(found) == done.files > 40
    assert {path.name: broken for path, broken in found.items() if broken != []} == {}


def frame(number, *, processed=None):
    """The functional groups of a frame."""
    groups, kind = Dataset(), Dataset()
    kind.FrameType = ["DERIVED" if processed else "ORIGINAL", "PRIMARY", "M", "NONE"]
    groups.MRImageFrameTypeSequence = [kind]
    if processed:
        step, source = Dataset(), Dataset()
        step.DerivationCodeSequence = [coded(*CODES["DLNR"])]
        source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = processed
        source.ReferencedFrameNumber, source.SpatialLocationsPreserved = number, "YES"
        purpose = coded("121322", "DCM", "Source image for image processing operation")
        source.PurposeOfReferenceCodeSequence = [purpose]
        step.SourceImageSequence = [source]
        groups.DerivationImageSequence = [step]
    return groups


def coded(value, scheme, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


@pytest.fixture
def enhanced(tmp_path):
    """An enhanced MR image and a derived one, by hand."""
    source = dicoms.image(dicoms.pattern((2, 8, 8)), modality="MR")
    source.SOPClassUID = source.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    source.ImageType = ["ORIGINAL", "PRIMARY", "M", "NONE"]
    source.WindowWidth = "400"
    source.SharedFunctionalGroupsSequence = [Dataset()]
    source.PerFrameFunctionalGroupsSequence = [frame(1), frame(2)]
    dicoms.save(source, tmp_path / "source.dcm")
    step = Derived(tmp_path / "step", dicoms.image(modality="MR")).data
    data = deepcopy(source)
    del data.WindowWidth
    named = (EnhancedMRImageStorage, source.SOPInstanceUID)
    data.PerFrameFunctionalGroupsSequence = [frame(n, processed=named) for n in (1, 2)]
    data.ImageType = ["DERIVED", "PRIMARY", "M", "NONE"]
    data.ContentQualification = "RESEARCH"
    kept = ("SeriesNumber", "SeriesDescription", "CodingSchemeIdentificationSequence")
    for keyword in (*kept, "ContributingEquipmentSequence", "ReferencedSeriesSequence"):
        data[keyword] = step[keyword]
    data.SOPInstanceUID, data.SeriesInstanceUID = (hashed_uid(["enhanced", n]) for n in "12")
    item, series, study = Dataset(), Dataset(), Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = named
    series.SeriesInstanceUID, series.ReferencedSOPSequence = source.SeriesInstanceUID, [item]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = source.StudyInstanceUID, [series]
    data.SourceImageEvidenceSequence = [study]
    data.file_meta = step.file_meta
    data.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    return data


def of_frame(breaks, place=1):
    return lambda data: breaks(data.PerFrameFunctionalGroupsSequence[place])


def no_such_frame(groups):
    groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = 9


ENHANCED = [
    (lambda data: None, set()),
    (set_to("ContentQualification", "PRODUCT"), {"content qualification"}),
    (set_to("ImageType", ["DERIVED", "PRIMARY"]), {"image type"}),
    (set_to("ImageType", ["MIXED", "PRIMARY", "M", "NONE"]), {"image type"}),
    (set_to("SourceImageSequence", [Dataset()]), {"top level"}),
    (set_to("WindowWidth", "400"), {"top level"}),  # as its source has it
    (lambda data: data.add_new(0x60000010, "US", 9), {"top level", "unchanged"}),
    (set_to("SourceImageEvidenceSequence", []), {"evidence"}),
    (
        of_frame(within("MRImageFrameTypeSequence", "FrameType", ["ORIGINAL", "PRIMARY"])),
        {"frame type", "image type"},
    ),
    (
        of_frame(within("MRImageFrameTypeSequence", "FrameType", ["DERIVED", "PRIMARY", "M"])),
        {"frame type"},
    ),
    (of_frame(no_such_frame), {"derivation image"}),
    (of_frame(removed("DerivationImageSequence")), {"functional groups"}),
    (of_frame(twice("DerivationImageSequence")), {"derivation image", "derivation code"}),
    (of_frame(within("DerivationImageSequence", "SourceImageSequence", [])), {"derivation image"}),
    (
        lambda data: data.SharedFunctionalGroupsSequence[0].update(frame(1)),
        {"functional groups"},
    ),
    (without_last("PerFrameFunctionalGroupsSequence"), {"functional groups", "unchanged"}),
]


@pytest.mark.parametrize(("breaks", "rules"), ENHANCED)
def test_enhanced_images_are_held_against_rules_of_their_own(tmp_path, enhanced, breaks, rules):
    breaks(enhanced)
    enhanced.save_as(tmp_path / "out.dcm", enforce_file_format=True)
    found = check(Pair.read(tmp_path / "source.dcm", tmp_path / "out.dcm"))
    assert {rule for rule, _ in found} - {"standard"} == rules, found


def test_a_number_of_frames_that_is_none_is_no_rule_broken(tmp_path):
    path = dicoms.save(dicoms.image(NumberOfFrames="10"), tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes().replace(b"IS\2\0" + b"10", b"IS\4\0" + b"1.5 "))
    assert b"1.5 " in path.read_bytes()
    assert not [*pixels(Pair.read(path, path))]


def test_what_dciodvfy_says_of_a_deflated_source_is_no_news(tmp_path):
    data = dicoms.image()
    del data.KVP  # which dciodvfy misses in both
    source = dicoms.save(data, tmp_path / "a.dcm", DeflatedExplicitVRLittleEndian)
    derived = dicoms.save(data, tmp_path / "b.dcm")
    assert peers.complaints(derived)
    assert not peers.news(source, derived)
