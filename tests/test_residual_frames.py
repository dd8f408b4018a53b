"""Residuals of multi-frame objects: each frame says itself what was removed (DICOM.md 1.6, 1.7)."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    LegacyConvertedEnhancedCTImageStorage,
    RLELossless,
)

import dicoms
from derived import STEP, Derived, series_in
from medclean.archive import formats
from medclean.errors import Exit
from multiframes import enhanced, frame, macro, scaled, typed
from rules import check
from rules.pair import Pair, frame_items
from test_denoise import manifest
from test_residual import run

REMOVED = replace(STEP, role="residual")
KINDS = ("MR", "CT", "PT")
VALUES, WINDOW = "PixelValueTransformationSequence", "FrameVOILUTSequence"
SLOPES = ("2", "0.5", "1.250")  # as they stand in the file
pytestmark = pytest.mark.usefixtures("no_processes")


def noisy(frames=3, *, bits=12, signed=False):
    """Frames of noise that is weaker from frame to frame, and that a median changes."""
    rng = np.random.default_rng(7)
    spread = np.linspace(0.2, 0.01, frames)[:, None, None]
    values = (rng.normal(0, spread, (frames, 40, 36)) + (0 if signed else 0.5)) * (1 << bits)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return np.clip(values, low, high).astype(np.int16 if signed else np.uint16)


def mapping(intercept=-7.0):
    """A Real World Value Mapping."""
    return macro(
        RealWorldValueFirstValueMapped=0,
        RealWorldValueLastValueMapped=4095,
        RealWorldValueIntercept=intercept,
        RealWorldValueSlope=1.0,
        LUTLabel="HU",
    )


def scaled_frames(modality, *, more=None):
    """Three frames, each with a slope, an intercept and a window of its own."""
    kind = "HU" if modality == "CT" else "US"
    return [
        frame(
            2.5 * place,
            **{
                VALUES: scaled(slope, "-10", kind),
                WINDOW: macro(WindowCenter="40", WindowWidth="80", VOILUTFunction="SIGMOID"),
            },
            **(more or {}),
        )
        for place, slope in enumerate(SLOPES)
    ]


def triple(study, out, name="a.dcm"):
    return tuple(map(dcmread, (study / name, out / name, out / "residual" / name)))


def adds_up(source, denoised, removed):
    total = denoised.pixel_array.astype(int) + removed.pixel_array
    np.testing.assert_array_equal(total, source.pixel_array)
    return removed.pixel_array.any(axis=(1, 2)).tolist()


def macros(data, keyword):
    """The item of a macro for each frame."""
    return [item for (item,) in frame_items(data, keyword)]


@pytest.mark.parametrize("modality", KINDS)
@pytest.mark.parametrize(
    ("syntax", "signed"),
    [
        (ImplicitVRLittleEndian, True),
        (ExplicitVRLittleEndian, False),
        (RLELossless, False),
        (JPEG2000Lossless, True),
    ],
)
def test_frames_add_up_to_the_source(tmp_path, modality, syntax, signed):
    data = enhanced(
        scaled_frames(modality),
        noisy(signed=signed),
        modality=modality,
        shared={VALUES: None, "RealWorldValueMappingSequence": mapping()},
        padding=7,
    )
    study, out = tmp_path / "study", tmp_path / "out"
    dicoms.save(data, study / "a.dcm", syntax)
    assert run(study, out).exit == Exit.DONE
    source, denoised, removed = triple(study, out)
    assert adds_up(source, denoised, removed) == [True] * 3
    assert (removed.BitsAllocated, removed.BitsStored, removed.HighBit) == (16, 16, 15)
    assert (removed.PixelRepresentation, removed.SOPClassUID) == (1, source.SOPClassUID)
    assert "PixelPaddingValue" not in removed
    values = macros(removed, VALUES)
    assert [item["RescaleSlope"].value.original_string for item in values] == list(SLOPES)
    assert {item.RescaleIntercept for item in values} == {0}
    assert {item.RescaleType for item in values} == {"US"}
    assert not any(frame_items(removed, "RealWorldValueMappingSequence"))
    assert len({data.SeriesInstanceUID for data in (source, denoised, removed)}) == 3
    assert removed.SeriesDescription.startswith("RESIDUAL ")


def test_each_frame_has_the_window_of_its_own_differences(tmp_path):
    study, out = tmp_path / "study", tmp_path / "out"
    dicoms.save(enhanced(scaled_frames("MR"), noisy(), shared={VALUES: None}), study / "a.dcm")
    run(study, out)
    removed = dcmread(out / "residual" / "a.dcm")
    windows = macros(removed, WINDOW)
    for differences, slope, shown in zip(removed.pixel_array, SLOPES, windows, strict=True):
        within = np.abs(differences * float(slope)) <= shown.WindowWidth / 2
        assert 0.98 < within.mean() <= 1
        assert (shown.WindowCenter, shown.VOILUTFunction) == (0, "LINEAR_EXACT")
    assert len({shown.WindowWidth for shown in windows}) == 3
    assert not {"WindowCenter", "WindowWidth"} & {element.keyword for element in removed}


@pytest.mark.parametrize("vr", ["FD", "FL"])
@pytest.mark.parametrize("place", ["frames", "whole", "classic"])
def test_a_slope_that_is_written_as_a_float_is_one(tmp_path, vr, place):
    """No DS, as the standard has it: it is kept as it stands, and means what it says."""
    stored, study, out = noisy(), tmp_path / "study", tmp_path / "out"
    if place == "classic":
        data = stating = dicoms.image(stored[0], modality="MR", bits=12)
    else:
        values = macro(RescaleType="US")
        data = enhanced([frame(2.5 * n) for n in range(3)], stored, shared={VALUES: values})
        data.pop("RescaleIntercept", None)
        stating = values[0] if place == "frames" else data
    for keyword, number in {"RescaleSlope": 2.5, "RescaleIntercept": 0.0}.items():
        stating.pop(keyword, None)
        stating.add_new(keyword, vr, number)
    dicoms.save(data, study / "a.dcm")
    (series,) = series_in(study)
    np.testing.assert_allclose(formats.read(study, series, 0).real[0], stored[0] * 2.5)
    assert run(study, out).exit == Exit.DONE
    source, denoised, removed = triple(study, out)
    both = denoised.pixel_array.astype(int) + removed.pixel_array
    np.testing.assert_array_equal(both, source.pixel_array)
    said = [removed] if place == "classic" else macros(removed, VALUES)
    assert {(item["RescaleSlope"].VR, item.RescaleSlope) for item in said} == {(vr, 2.5)}
    assert {item.RescaleIntercept for item in said} == {0}


def test_what_is_alike_is_said_once(tmp_path):
    data = enhanced([frame(0.0), frame(2.5)], shared={VALUES: scaled("3", "-1024")}, modality="CT")
    made = Derived(tmp_path, data, step=REMOVED, result=np.zeros((2, 9, 8), np.float32))
    (shared,) = made.data.SharedFunctionalGroupsSequence
    assert shared[VALUES][0].RescaleIntercept == 0
    for groups in made.data.PerFrameFunctionalGroupsSequence:
        assert VALUES not in groups
        assert groups.PlanePositionSequence[0].ImagePositionPatient[:2] == [-10, -20]


@pytest.mark.parametrize(
    ("modality", "whole", "expected"),
    [
        ("CT", {}, ("1", "0", "US")),
        ("CT", {"slope": "2", "intercept": "-5"}, ("2", "0", "US")),
        ("MR", {}, None),
    ],
)
def test_frames_that_state_no_slope(tmp_path, modality, whole, expected):
    """A type must say of CT that its differences are no Hounsfield units."""
    data = enhanced([frame(0.0), frame(2.5)], modality=modality, shared={VALUES: None})
    for keyword, value in {"RescaleSlope": "slope", "RescaleIntercept": "intercept"}.items():
        if value in whole:
            setattr(data, keyword, whole[value])
    made = Derived(tmp_path, data, step=REMOVED, result=np.zeros((2, 9, 8), np.float32)).data
    found = [
        tuple(str(item.get(key)) for key in ("RescaleSlope", "RescaleIntercept", "RescaleType"))
        for items in frame_items(made, VALUES)
        for item in items
    ]
    assert found == ([expected] * 2 if expected else [])
    assert made.get("RescaleIntercept", 0) == 0


def test_a_frame_names_that_frame_of_source_and_result(tmp_path):
    study, out = tmp_path / "study", tmp_path / "out"
    dicoms.save(enhanced([frame(2.5), frame(0.0)], noisy(2)), study / "a.dcm")
    run(study, out)
    source, denoised, removed = triple(study, out)
    for number, (before, after) in enumerate(
        zip(
            macros(denoised, "DerivationImageSequence"),
            macros(removed, "DerivationImageSequence"),
            strict=True,
        ),
        1,
    ):
        codes = [code.CodeValue for code in after.DerivationCodeSequence]
        assert codes == [*(code.CodeValue for code in before.DerivationCodeSequence), "113062"]
        named = after.SourceImageSequence
        assert [(i.ReferencedSOPInstanceUID, i.ReferencedFrameNumber) for i in named] == [
            (data.SOPInstanceUID, number) for data in (source, denoised)
        ]
    located = {
        (series.SeriesInstanceUID, item.ReferencedSOPInstanceUID)
        for study in removed.SourceImageEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert located == {(d.SeriesInstanceUID, d.SOPInstanceUID) for d in (source, denoised)}


def test_derived_pixel_contrast_is_subtraction(tmp_path):
    kind = {"MRImageFrameTypeSequence": typed("ORIGINAL", "PRIMARY", "T1", "NONE")}
    data = enhanced([frame(0.0), frame(2.5)], shared=kind)
    made = Derived(tmp_path, data, step=REMOVED, result=np.zeros((2, 9, 8), np.float32)).data
    types = [item.FrameType for item in macros(made, "MRImageFrameTypeSequence")]
    assert types == [["DERIVED", "PRIMARY", "T1", "SUBTRACTION"]] * 2
    assert made.ImageType == ["DERIVED", "PRIMARY", "VOLUME", "SUBTRACTION"]


def test_frames_that_pass_have_no_difference_and_no_step_of_the_model(tmp_path):
    kinds = (typed("ORIGINAL", "PRIMARY", "M", "NONE"), typed("ORIGINAL", "PRIMARY", "P", "NONE"))
    frames = [
        frame(place, MRImageFrameTypeSequence=deepcopy(kind))
        for place in (0.0, 2.5)
        for kind in kinds
    ]
    data = enhanced(frames, noisy(4), shared={"MRImageFrameTypeSequence": None})
    study, out = tmp_path / "study", tmp_path / "out"
    dicoms.save(data, study / "a.dcm")
    run(study, out)
    source, denoised, removed = triple(study, out)
    assert adds_up(source, denoised, removed) == [True, False, True, False]
    steps = [
        [code.CodeValue for code in item.DerivationCodeSequence]
        for item in macros(removed, "DerivationImageSequence")
    ]
    assert steps == [["113087", "113062"], ["113062"]] * 2
    assert removed.ImageType[0] == "DERIVED"


def test_parts_of_a_concatenation_have_one_each(tmp_path):
    study, out = tmp_path / "study", tmp_path / "out"
    for part in (0, 1):
        data = enhanced(
            [frame(5.0 * part), frame(5.0 * part + 2.5)],
            noisy(4)[2 * part : 2 * part + 2],
            number=part + 1,
            ConcatenationUID="1.2.3",
            SOPInstanceUIDOfConcatenationSource="1.2.4",
            InConcatenationNumber=part + 1,
            ConcatenationFrameOffsetNumber=2 * part,
        )
        dicoms.save(data, study / f"{part}.dcm")
    assert run(study, out).files == 4
    parts = [triple(study, out, f"{part}.dcm") for part in (0, 1)]
    assert [adds_up(*part) for part in parts] == [[True, True]] * 2
    uids = [{part[role].ConcatenationUID for part in parts} for role in range(3)]
    assert [len(found) for found in uids] == [1, 1, 1]
    assert len(set.union(*uids)) == 3


def test_a_converted_object_leaves_no_value_of_its_source_behind(tmp_path):
    """What conversion found no other place for may speak of stored values, too."""
    left = macro(PixelPaddingValue=1, SmallestImagePixelValue=3, StudyComments="kept")
    for keyword in ("PixelPaddingValue", "SmallestImagePixelValue"):
        left[0][keyword].VR = "US"
    name = "UnassignedPerFrameConvertedAttributesSequence"
    frames = [frame(2.5 * place, **{name: deepcopy(left)}) for place in range(2)]
    data = enhanced(frames, modality="CT", SOPClassUID=LegacyConvertedEnhancedCTImageStorage)
    removed = Derived(tmp_path / "r", data, step=REMOVED, result=np.zeros((2, 9, 8), np.float32))
    made = Derived(tmp_path / "d", data)
    for item in macros(removed.data, name):
        assert {element.keyword for element in item} == {"StudyComments"}
    for item in macros(made.data, name):
        assert {element.keyword for element in item} == {"StudyComments", "PixelPaddingValue"}


def test_an_object_that_does_not_say_what_its_frames_are_has_none(tmp_path):
    study, out = tmp_path / "study", tmp_path / "out"
    data = enhanced([frame(0.0), frame(2.5)], noisy(2))
    del data.PerFrameFunctionalGroupsSequence, data.SharedFunctionalGroupsSequence
    dicoms.save(data, study / "a.dcm")
    (series,) = series_in(study)
    assert "functional groups" in formats.no_residual(series)
    assert run(study, out, "identity").exit == Exit.DONE
    (series,) = manifest(out)["series"]
    assert [note for note in series["notes"] if note.startswith("no residual: ")]
    assert not (out / "residual").exists()


def test_a_difference_that_is_too_wide_leaves_the_object_without(tmp_path):
    stored = np.random.default_rng(0).choice(np.array([0, 0xFFFF], np.uint16), (2, 40, 36))
    study, out = tmp_path / "study", tmp_path / "out"
    dicoms.save(enhanced([frame(0.0), frame(2.5)], stored, bits=16), study / "a.dcm")
    assert run(study, out).exit == Exit.DONE
    assert not (out / "residual").exists()
    (series,) = manifest(out)["series"]
    assert [note for note in series["notes"] if "signed 16 bits" in note]


def inner(keyword, element, value):
    """A change in a macro of the first frame, or of all."""

    def change(data):
        setattr(frame_items(data, keyword)[0][0], element, value)

    return change


@pytest.mark.breaks_rules
@pytest.mark.parametrize(
    "breaks",
    [
        inner(VALUES, "RescaleIntercept", "-10"),
        inner(VALUES, "RescaleSlope", "3"),
        inner(VALUES, "RescaleType", "HU"),
        inner(WINDOW, "WindowCenter", "40"),
        inner("MRImageFrameTypeSequence", "FrameType", ["DERIVED", "PRIMARY", "VOLUME", "NONE"]),
        inner("DerivationImageSequence", "SourceImageSequence", []),
        lambda data: data.PerFrameFunctionalGroupsSequence[0].update(
            {"RealWorldValueMappingSequence": mapping()}
        ),
    ],
)
def test_the_rules_see_what_a_frame_says_wrongly(tmp_path, breaks):
    data = enhanced(scaled_frames("MR"), noisy(), shared={VALUES: None})
    made = Derived(tmp_path, data, step=REMOVED, result=np.zeros((3, 40, 36), np.float32))
    assert not check(Pair.read(made.root / "a.dcm", made.to))
    breaks(made.data)
    made.data.save_as(made.to)
    assert "residual" in {rule for rule, _ in check(Pair.read(made.root / "a.dcm", made.to))}
