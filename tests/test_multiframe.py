"""Enhanced multi-frame: what is read of each frame, which are done, and what they then say."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    LegacyConvertedEnhancedMRImageStorage,
    RLELossless,
)

import dicoms
from derived import STEP, Derived, rewrite, series_in
from medclean.archive.dicom.plan import plan
from medclean.archive.dicom.read import read
from medclean.archive.numbers import Storing
from medclean.errors import DataError, Exit
from multiframes import enhanced, frame, macro, scaled, typed
from test_denoise import manifest, run

MAGNITUDE = typed("ORIGINAL", "PRIMARY", "M", "NONE")
PHASE = typed("ORIGINAL", "PRIMARY", "P", "NONE")


def stacks(series):
    """Instance and number of the frames of each group."""
    return [[(f.instance, f.number) for f in group.frames] for group in series.groups]


def only(tmp_path, *datas, include=()):
    for number, data in enumerate(datas):
        dicoms.save(data, tmp_path / "in" / f"{number}.dcm")
    (series,) = series_in(tmp_path / "in", include)
    return series


# In


def test_frames_lie_in_order_of_position_with_their_geometry(tmp_path):
    series = only(tmp_path, enhanced([frame(5.0), frame(0.0), frame(2.5)]))
    (group,) = series.groups
    assert stacks(series) == [[(0, 1), (0, 2), (0, 0)]]
    assert group.spacing == (2.5, 0.75, 0.5)
    np.testing.assert_allclose(np.array(group.affine)[:3, 3], (-10, -20, 0))
    assert (series.modality, series.unit) == ("MR", "au")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless])
def test_each_frame_has_its_own_slope(tmp_path, syntax):
    frames = [
        frame(0.0, PixelValueTransformationSequence=scaled("2", "-10")),
        frame(2.5, PixelValueTransformationSequence=scaled("0.5", "3")),
    ]
    data = enhanced(
        frames,
        np.full((2, 4, 4), 100, np.uint16),
        shared={"PixelValueTransformationSequence": None},
    )
    dicoms.save(data, tmp_path / "in" / "a.dcm", syntax)
    (series,) = series_in(tmp_path / "in")
    assert read(tmp_path / "in", series, 0).real[:, 0, 0].tolist() == [190.0, 53.0]


@pytest.mark.parametrize(("there", "reason"), [(b"0.0", "Slope is 0"), (b"two", "finite number")])
def test_a_slope_that_means_nothing_is_refused(tmp_path, there, reason):
    data = enhanced(
        [frame(), frame(2.5)], shared={"PixelValueTransformationSequence": scaled("1.7")}
    )
    path = dicoms.save(data, tmp_path / "in" / "a.dcm")
    path.write_bytes(path.read_bytes().replace(b"1.7", there))
    (series,) = series_in(tmp_path / "in")
    with pytest.raises(DataError, match=reason):
        read(tmp_path / "in", series, 0)


@pytest.mark.parametrize(
    "different",
    [
        {"PlaneOrientationSequence": macro(ImageOrientationPatient=["0", "1", "0", "0", "0", "1"])},
        {"PixelMeasuresSequence": macro(PixelSpacing=["1", "1"])},
        {"FrameContentSequence": macro(StackID="2")},
        {"MREchoSequence": macro(EffectiveEchoTime=40.0)},
        {"MRDiffusionSequence": macro(DiffusionBValue=1000.0)},
        {"MRDiffusionSequence": macro(DiffusionDirectionality="ISOTROPIC")},
        {"MRModifierSequence": macro(InversionTimes=[150.0])},
        {"MRTimingAndRelatedParametersSequence": macro(RepetitionTime=3000.0)},
        {"MRTimingAndRelatedParametersSequence": macro(FlipAngle=15.0)},
        {"CTXRayDetailsSequence": macro(KVP="140")},
        {"CTReconstructionSequence": macro(ConvolutionKernel="Br64")},
        {"UnassignedPerFrameConvertedAttributesSequence": macro(SequenceName="ep_b1000#1")},
        {"UnassignedPerFrameConvertedAttributesSequence": macro(RepetitionTime="3000")},
        {"MRImageFrameTypeSequence": typed("ORIGINAL", "PRIMARY", "T2", "NONE")},
        {"UnassignedPerFrameConvertedAttributesSequence": macro(EchoTime="40")},
        {"UnassignedPerFrameConvertedAttributesSequence": macro(ScanOptions="FS")},
        {"MRModifierSequence": macro(MagnetizationTransfer="ON_RESONANCE")},
        {"MRModifierSequence": macro(SpectrallySelectedExcitation="FAT")},
        {"MRArterialSpinLabelingSequence": macro(ASLContext="LABEL")},
        {"MRReceiveCoilSequence": macro(ReceiveCoilName="HE1")},
        {"ContrastBolusUsageSequence": macro(ContrastBolusAgentAdministered="YES")},
        {"CTReconstructionSequence": macro(ReconstructionAlgorithm="ITERATIVE")},
        {"CardiacSynchronizationSequence": macro(NominalPercentageOfCardiacPhase=75.0)},
        {"RespiratorySynchronizationSequence": macro(NominalPercentageOfRespiratoryPhase=50.0)},
        {
            "UnassignedPerFrameConvertedAttributesSequence": macro(
                DiffusionGradientOrientation=[0.0, 0.0, 1.0]
            )
        },
    ],
)
def test_frames_that_differ_are_no_neighbours(tmp_path, different):
    shared = {"PlaneOrientationSequence": None, "PixelMeasuresSequence": None}
    same = {
        "PlaneOrientationSequence": macro(ImageOrientationPatient=["1", "0", "0", "0", "1", "0"]),
        "PixelMeasuresSequence": macro(PixelSpacing=["0.75", "0.5"]),
    }
    frames = [frame(0.0, **same), frame(2.5, **same), frame(5.0, **same | different)]
    assert stacks(only(tmp_path, enhanced(frames, shared=shared))) == [
        [(0, 0), (0, 1)],
        [(0, 2)],
    ]


def test_temporal_positions_are_volumes(tmp_path):
    frames = [
        frame(place, FrameContentSequence=macro(StackID="1", TemporalPositionIndex=time))
        for place in (0.0, 2.5)
        for time in (2, 1)
    ]
    del frames[1]  # of position 0 there is time 2 only: it is not taken for the first
    assert stacks(only(tmp_path, enhanced(frames))) == [[(0, 2)], [(0, 0), (0, 1)]]


def test_cardiac_frames_are_a_cine_a_position(tmp_path):
    frames = [
        frame(
            place,
            CardiacSynchronizationSequence=macro(NominalCardiacTriggerDelayTime=delay),
        )
        for delay in (40.0, 20.0)
        for place in (0.0, 8.0)
    ]
    assert stacks(only(tmp_path, enhanced(frames))) == [[(0, 2), (0, 0)], [(0, 3), (0, 1)]]


def test_parts_of_a_concatenation_are_one_volume(tmp_path):
    parts = [
        enhanced(
            [frame(5.0 * part), frame(5.0 * part + 2.5)],
            number=part + 1,
            ConcatenationUID="1.2.3" if joined else f"1.2.3.{part}",
            SOPInstanceUIDOfConcatenationSource="1.2.4",
            series=joined,
        )
        for joined in (True, False)
        for part in (0, 1)
    ]
    joined = only(tmp_path / "joined", *parts[:2])
    assert stacks(joined) == [[(0, 0), (0, 1), (1, 0), (1, 1)]]
    assert stacks(only(tmp_path / "apart", *parts[2:])) == [[(0, 0), (0, 1)], [(1, 0), (1, 1)]]
    whole, root = plan(joined, STEP, context=3), tmp_path / "joined" / "in"
    made = []
    for place in (0, 1):
        alone = whole.alone(joined.instances[place].path)
        rewrite(root, joined.alone(place), 0, alone, tmp_path / "out.dcm")
        made.append(dcmread(tmp_path / "out.dcm"))
    for keyword in ("ConcatenationUID", "SOPInstanceUIDOfConcatenationSource"):
        uids = {part[keyword].value for part in made}
        assert len(uids) == 1
        assert uids.isdisjoint(part[keyword].value for part in parts)
    groups = made[1].PerFrameFunctionalGroupsSequence[0]
    images = groups.DerivationImageSequence[0].SourceImageSequence
    assert [(i.ReferencedSOPInstanceUID, i.ReferencedFrameNumber) for i in images] == [
        (parts[0].SOPInstanceUID, 2),
        (parts[1].SOPInstanceUID, [1, 2]),
    ]


def test_single_frames_in_many_files_are_one_volume(tmp_path):
    datas = [enhanced([frame(2.5 * place)], number=place + 1) for place in range(3)]
    assert stacks(only(tmp_path, *datas)) == [[(0, 0), (1, 0), (2, 0)]]


# Selection


@pytest.mark.parametrize(
    ("kind", "sequence"),
    [
        ("phase", PHASE),
        ("phase", typed("ORIGINAL", "PRIMARY", "VOLUME", "NONE", component="REAL")),
        ("map", typed("DERIVED", "PRIMARY", "DIFFUSION", "ADC")),
        ("map", typed("DERIVED", "PRIMARY", "VOLUME", "RESAMPLED")),
        ("map", typed("DERIVED", "PRIMARY", "MAX_IP", "NONE")),
        ("localizer", typed("ORIGINAL", "PRIMARY", "LOCALIZER", "NONE")),
        ("", typed("ORIGINAL", "PRIMARY", "PERFUSION", "NONE")),
    ],
)
def test_frames_of_other_kinds_pass_unless_included(tmp_path, kind, sequence):
    shared = {"MRImageFrameTypeSequence": None}
    frames = [
        frame(0.0, MRImageFrameTypeSequence=MAGNITUDE),
        frame(0.0, MRImageFrameTypeSequence=sequence),
    ]
    series = only(tmp_path, enhanced(frames, shared=shared))
    assert series.instances[0].passed == ((1,) if kind else ())
    assert bool(series.notes) == bool(kind)
    (included,) = series_in(tmp_path / "in", [kind])
    assert included.instances[0].passed == ()
    assert included.kinds == ((kind,) if kind else ())


def test_a_projection_is_told_by_its_technique(tmp_path):
    sequence = deepcopy(MAGNITUDE)
    sequence[0].VolumeBasedCalculationTechnique = "MAX_IP"
    data = enhanced([frame(0.0)], shared={"MRImageFrameTypeSequence": sequence})
    dicoms.save(data, tmp_path / "in" / "a.dcm")
    assert not series_in(tmp_path / "in", [])
    assert series_in(tmp_path / "in", ["map"])


def mixed(**how):
    """Magnitude and phase of two positions."""
    kinds = (MAGNITUDE, PHASE)
    frames = [
        frame(place, MRImageFrameTypeSequence=deepcopy(kind))
        for place in (0.0, 2.5)
        for kind in kinds
    ]
    return enhanced(
        frames,
        ImageType=["ORIGINAL", "PRIMARY", "M", "NONE"],
        shared={"MRImageFrameTypeSequence": None},
        **how,
    )


@pytest.mark.parametrize("model", ["identity", "gaussian:sigma=2"])
def test_phase_frames_come_out_as_they_were(tmp_path, model):
    source = mixed(stored=dicoms.pattern((4, 20, 16), bits=12))
    dicoms.save(source, tmp_path / "in" / "a.dcm")
    assert run(tmp_path / "in", tmp_path / "out", model).exit == Exit.DONE
    made = dcmread(tmp_path / "out" / "a.dcm")
    before, after = source.pixel_array, made.pixel_array
    np.testing.assert_array_equal(after[1::2], before[1::2])
    assert np.array_equal(after[::2], before[::2]) == (model == "identity")
    assert made.ImageType == ["MIXED", "PRIMARY", "M", "NONE"]
    types = [f.MRImageFrameTypeSequence[0].FrameType for f in made.PerFrameFunctionalGroupsSequence]
    assert [kind[0] for kind in types] == ["DERIVED", "ORIGINAL"] * 2
    steps = [f.get("DerivationImageSequence", []) for f in made.PerFrameFunctionalGroupsSequence]
    assert [len(items) for items in steps] == [1, 0, 1, 0]
    (series,) = manifest(tmp_path / "out")["series"]
    assert "2 frames of other kinds go through unchanged" in series["notes"]


def test_what_is_selected_enters_the_uid(tmp_path):
    dicoms.save(mixed(), tmp_path / "in" / "a.dcm")
    uids = set()
    for include in ((), ("phase",)):
        (series,) = series_in(tmp_path / "in", include)
        uids.add(rewrite(tmp_path / "in", series, 0, plan(series, STEP), tmp_path / "a.dcm").uid)
    assert len(uids) == 2


# Out


def test_a_frame_says_what_was_done_and_to_what(tmp_path):
    made = Derived(tmp_path, enhanced([frame(0.0), frame(2.5), frame(5.0)]), context=3)
    assert made.data.ImageType == ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    assert made.data.ContentQualification == "RESEARCH"
    (shared,) = made.data.SharedFunctionalGroupsSequence
    assert shared.MRImageFrameTypeSequence[0].FrameType == ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    assert "DerivationImageSequence" not in shared
    named = []
    for groups in made.data.PerFrameFunctionalGroupsSequence:
        assert "MRImageFrameTypeSequence" not in groups
        (step,) = groups.DerivationImageSequence
        assert [code.CodeValue for code in step.DerivationCodeSequence] == ["DLNR"]
        (image,) = step.SourceImageSequence
        assert image.ReferencedSOPInstanceUID == made.source.SOPInstanceUID
        assert image.SpatialLocationsPreserved == "YES"
        assert image.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
        named.append(image.get("ReferencedFrameNumber"))
    assert named == [[1, 2], [1, 2, 3], [2, 3]]
    (study,) = made.data.SourceImageEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert study.StudyInstanceUID == made.source.StudyInstanceUID
    assert series.SeriesInstanceUID == made.source.SeriesInstanceUID
    assert [i.ReferencedSOPInstanceUID for i in series.ReferencedSOPSequence] == [
        made.source.SOPInstanceUID
    ]
    for keyword in ("SourceImageSequence", "DerivationCodeSequence", "DerivationDescription"):
        assert keyword not in made.data


@pytest.mark.parametrize(
    ("frame_type", "image_type", "expected"),
    [
        (["ORIGINAL"], ["ORIGINAL", "PRIMARY", "T1", "NONE"], ["T1", "NONE"]),
        (["ORIGINAL", "PRIMARY", "T2"], ["ORIGINAL", "PRIMARY", "T1", "MIXED"], ["T2", "NONE"]),
        (["ORIGINAL", "PRIMARY"], ["ORIGINAL", "PRIMARY"], ["VOLUME", "NONE"]),
        (
            ["ORIGINAL", "PRIMARY", "M", "X", "Y"],
            ["ORIGINAL", "PRIMARY", "M", "X"],
            ["M", "X", "Y"],
        ),
    ],
)
def test_a_frame_type_has_four_values_at_least(tmp_path, frame_type, image_type, expected):
    """They are type 1 (C.8.16.1); the first two are not the source's to say any more."""
    frames = [frame(place, MRImageFrameTypeSequence=typed(*frame_type)) for place in (0.0, 2.5)]
    data = enhanced(frames, ImageType=image_type, shared={"MRImageFrameTypeSequence": None})
    made = Derived(tmp_path, data).data
    for groups in made.PerFrameFunctionalGroupsSequence:
        kind = groups.MRImageFrameTypeSequence[0].FrameType
        assert kind == ["DERIVED", "PRIMARY", *expected]
    assert 4 <= len(made.ImageType) <= 5


def test_what_holds_for_all_frames_is_said_once(tmp_path):
    made = Derived(tmp_path, enhanced([frame(0.0), frame(2.5)]), context=None).data
    (step,) = made.SharedFunctionalGroupsSequence[0].DerivationImageSequence
    assert "ReferencedFrameNumber" not in step.SourceImageSequence[0]
    assert not [f for f in made.PerFrameFunctionalGroupsSequence if "DerivationImageSequence" in f]


@pytest.mark.parametrize("place", ["shared", "frames"])
def test_earlier_steps_stay_and_a_group_stands_in_one_place(tmp_path, place):
    first = Derived(
        tmp_path / "1", enhanced([frame(0.0), frame(2.5)]), context=1 if place == "frames" else None
    )
    again = Derived(tmp_path / "2", first.data, step=replace(STEP, suffix=" [medclean nlm]"))
    assert "DerivationImageSequence" not in again.data.SharedFunctionalGroupsSequence[0]
    for groups in again.data.PerFrameFunctionalGroupsSequence:
        steps = groups.DerivationImageSequence
        uids = [step.SourceImageSequence[0].ReferencedSOPInstanceUID for step in steps]
        assert uids == [first.source.SOPInstanceUID, first.data.SOPInstanceUID]
    assert len(again.data.SourceImageEvidenceSequence) == 1
    (study,) = again.data.SourceImageEvidenceSequence
    assert len(study.ReferencedSeriesSequence) == 2


def test_what_these_objects_have_no_place_for_is_left_out(tmp_path):
    data = enhanced([frame()], WindowCenter="1", WindowWidth="2", ContentQualification="SERVICE")
    data.add_new(0x60000010, "US", 9)
    made = Derived(tmp_path, data).data
    assert not [key for key in ("WindowCenter", "WindowWidth", 0x60000010) if key in made]
    assert made.ContentQualification == "SERVICE"


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "rle", "deflated"])
def test_other_groups_stay_byte_for_byte(tmp_path, syntax):
    frames = [
        frame(0.0, FrameVOILUTSequence=macro(WindowCenter="40", WindowWidth="80")),
        frame(2.5),
    ]
    frames[1].private_block(0x0019, "ACME", create=True).add_new(1, "OB", b"\0\1")
    made = Derived(tmp_path, enhanced(frames), syntax=syntax)
    for before, after in zip(
        made.source.PerFrameFunctionalGroupsSequence,
        made.data.PerFrameFunctionalGroupsSequence,
        strict=True,
    ):
        del after.DerivationImageSequence
        assert after == before
    np.testing.assert_array_equal(made.data.pixel_array, made.source.pixel_array)


def test_a_converted_object_is_no_view_of_its_originals(tmp_path):
    origin = macro(ReferencedSOPClassUID="1.2", ReferencedSOPInstanceUID="1.2.5")
    kept = macro(EchoTime="20")
    frames = [
        frame(
            2.5 * place,
            ConversionSourceAttributesSequence=deepcopy(origin),
            UnassignedPerFrameConvertedAttributesSequence=deepcopy(kept),
        )
        for place in range(2)
    ]
    where = macro(SeriesInstanceUID="1.2.6", ReferencedInstanceSequence=deepcopy(origin))
    data = enhanced(
        frames, SOPClassUID=LegacyConvertedEnhancedMRImageStorage, ReferencedSeriesSequence=where
    )
    made = Derived(tmp_path, data).data
    assert made.SOPClassUID == LegacyConvertedEnhancedMRImageStorage
    for groups in made.PerFrameFunctionalGroupsSequence:
        assert "ConversionSourceAttributesSequence" not in groups
        assert groups.UnassignedPerFrameConvertedAttributesSequence == kept
    assert [item.SeriesInstanceUID for item in made.ReferencedSeriesSequence] == [
        data.SeriesInstanceUID
    ]


# Without functional groups


def test_only_identity_takes_what_does_not_say_what_its_frames_are(tmp_path):
    data = enhanced([frame(0.0), frame(2.5)])
    del data.PerFrameFunctionalGroupsSequence, data.SharedFunctionalGroupsSequence
    dicoms.save(data, tmp_path / "in" / "a.dcm")
    refused = run(tmp_path / "in", tmp_path / "other", "gaussian")
    assert refused.exit == Exit.NOTHING_TO_DO
    (entry,) = manifest(tmp_path / "other")["inputs"]
    assert "without functional groups: only --model identity" in entry["reason"]
    assert run(tmp_path / "in", tmp_path / "out").exit == Exit.DONE
    made = dcmread(tmp_path / "out" / "a.dcm")
    np.testing.assert_array_equal(made.pixel_array, data.pixel_array)
    assert made.ImageType == ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    assert "SourceImageSequence" not in made


def test_groups_that_do_not_fit_the_frames_are_not_believed(tmp_path):
    data = enhanced([frame(0.0), frame(2.5), frame(5.0)])
    data.PerFrameFunctionalGroupsSequence = data.PerFrameFunctionalGroupsSequence[:2]
    series = only(tmp_path, data)
    assert series.bare
    assert stacks(series) == [[(0, 0), (0, 1), (0, 2)]]


def test_results_of_frames_are_stored_as_they_come(tmp_path):
    series = only(tmp_path, enhanced([frame(0.0), frame(2.5)]))
    pixels = read(tmp_path / "in", series, 0)
    storing = Storing(pixels)
    assert not storing.stored.changed
    storing.put(1, np.full((9, 8), 7, np.float32))
    assert (storing.stored.array[1] == 7).all()
    np.testing.assert_array_equal(storing.stored.array[0], pixels.stored[0])
    assert not np.array_equal(pixels.stored[1], storing.stored.array[1])


def test_a_file_that_is_cut_off_fails_and_is_not_called_bare(tmp_path):
    path = dicoms.save(enhanced([frame(0.0), frame(2.5)]), tmp_path / "in" / "a.dcm")
    path.write_bytes(path.read_bytes()[:-40])
    assert run(tmp_path / "in", tmp_path / "out", "gaussian").exit == Exit.BAD_DATA
