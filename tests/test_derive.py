"""What a derived image says about itself, rule by rule."""

from dataclasses import replace

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import VLWholeSlideMicroscopyImageStorage

import dicoms
from derived import STEP, Derived, rewrite, series_in
from medclean.archive.derivation import CODES, SUBTRACTION
from medclean.archive.dicom.plan import plan

SIMULATED = {"command": "add-noise", "code": CODES["SIMNOISE"]}
COMMANDS = {"SIMNOISE": "add-noise", "SIMKSPACE": "undersample"}


@pytest.mark.parametrize(
    ("modality", "step", "before", "after"),
    [
        ("CT", {}, ["ORIGINAL", "PRIMARY", "AXIAL"], ["DERIVED", "PRIMARY", "AXIAL"]),
        ("CT", {}, ["ORIGINAL", "SECONDARY", "", "X"], ["DERIVED", "SECONDARY", "", "X"]),
        ("CT", {}, None, ["DERIVED", "PRIMARY", "AXIAL"]),
        ("MR", {}, ["ORIGINAL"], ["DERIVED", "PRIMARY"]),
        ("MR", SIMULATED, ["ORIGINAL", "PRIMARY", "M"], ["DERIVED", "SECONDARY", "M"]),
        ("CT", {"role": "residual"}, ["ORIGINAL", "PRIMARY"], ["DERIVED", "SECONDARY"]),
        ("PT", {}, ["ORIGINAL", "SECONDARY"], ["DERIVED", "PRIMARY"]),
        ("PT", SIMULATED, ["ORIGINAL", "PRIMARY"], ["DERIVED", "PRIMARY"]),
    ],
)
def test_image_type(tmp_path, modality, step, before, after):
    data = dicoms.image(modality=modality, ImageType=before)
    assert Derived(tmp_path, data, step=replace(STEP, **step)).data.ImageType == after


def test_a_class_of_primary_images_has_no_secondary_ones(tmp_path):
    kind = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    slide = dicoms.image(modality="SC", SOPClassUID=VLWholeSlideMicroscopyImageStorage)
    slide.ImageType = kind
    made = Derived(tmp_path, slide, step=replace(STEP, role="residual")).data
    assert made.ImageType == ["DERIVED", *kind[1:]]


@pytest.mark.parametrize(
    "code", sorted({*CODES.values()} - {SUBTRACTION}), ids=lambda code: code.value
)
def test_our_step_is_one_coded_item_behind_earlier_ones(tmp_path, code):
    earlier = Dataset()
    earlier.CodeValue, earlier.CodingSchemeDesignator, earlier.CodeMeaning = "113072", "DCM", "MPR"
    data = dicoms.image(
        DerivationCodeSequence=Sequence([earlier]), DerivationDescription="Resliced "
    )
    command = COMMANDS.get(code.value, "denoise")
    made = Derived(tmp_path, data, step=replace(STEP, code=code, command=command)).data
    first, ours = made.DerivationCodeSequence
    assert first == earlier
    assert (ours.CodeValue, ours.CodingSchemeDesignator, ours.CodeMeaning) == code
    assert made.DerivationDescription == f"Resliced; {STEP.title}"
    schemes = made.get("CodingSchemeIdentificationSequence", [])
    private = [item.CodingSchemeDesignator for item in schemes]
    assert private == (["99MEDCLEAN"] if code.scheme == "99MEDCLEAN" else [])


def test_a_second_step_adds_to_the_first(tmp_path):
    first = Derived(tmp_path / "1", dicoms.image())
    again = Derived(tmp_path / "2", first.data, step=replace(STEP, suffix=" [medclean nlm]"))
    assert [code.CodeValue for code in again.data.DerivationCodeSequence] == ["DLNR", "DLNR"]
    assert len(again.data.CodingSchemeIdentificationSequence) == 1
    assert len(again.data.ContributingEquipmentSequence) == 3
    (source,) = again.data.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == first.data.SOPInstanceUID
    assert again.data.SeriesDescription == "Series 1 [medclean dgan] [medclean nlm]"


@pytest.mark.parametrize(
    ("context", "named"),
    [(1, [[1], [2], [3]]), (3, [[1, 2], [1, 2, 3], [2, 3]]), (None, [[1, 2, 3]] * 3)],
)
def test_sources_are_the_slices_that_were_used(tmp_path, context, named):
    dicoms.series(tmp_path / "in")
    (series,) = series_in(tmp_path / "in")
    whole = plan(series, STEP, context=context)
    for place, expected in enumerate(named):
        alone = whole.alone(series.instances[place].path)
        rewrite(tmp_path / "in", series.alone(place), 0, alone, tmp_path / "out.dcm")
        made = pydicom.dcmread(tmp_path / "out.dcm")
        uids = [dicoms.uid("instance", 1, 1, number) for number in expected]
        assert [item.ReferencedSOPInstanceUID for item in made.SourceImageSequence] == uids
        for item in made.SourceImageSequence:
            assert item.ReferencedSOPClassUID == made.SOPClassUID
            assert item.SpatialLocationsPreserved == "YES"
            assert item.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
        (where,) = made.ReferencedSeriesSequence
        assert where.SeriesInstanceUID == series.series_uid
        assert [item.ReferencedSOPInstanceUID for item in where.ReferencedInstanceSequence] == uids


def test_frames_are_named_where_not_all_are_used(tmp_path):
    data = dicoms.image(dicoms.pattern((4, 8, 8)), modality="SC")
    made = Derived(tmp_path, data)
    assert "ReferencedFrameNumber" not in made.data.SourceImageSequence[0]
    group = made.series.groups[0]
    halves = (replace(group, frames=group.frames[:2]), replace(group, frames=group.frames[:1]))
    some = plan(replace(made.series, groups=halves), STEP, context=3)
    (source,) = some.sources["a.dcm"]
    assert source.frames == (1, 2)


def test_kept_references_are_located(tmp_path):
    def reference(uid):
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", uid
        return item

    known, series = Dataset(), Dataset()
    series.SeriesInstanceUID = "1.7.1"
    series.ReferencedInstanceSequence = Sequence([reference("1.7.2")])
    known.StudyInstanceUID, known.ReferencedSeriesSequence = "1.7", Sequence([series])
    data = dicoms.image(
        ReferencedImageSequence=Sequence([reference("1.8.2"), reference("1.9.2")]),
        SourceImageSequence=Sequence([reference("1.6.2")]),
        StudiesContainingOtherReferencedInstancesSequence=Sequence([known]),
    )
    located = {"1.8.2": (data.StudyInstanceUID, "1.8.1"), "1.9.2": ("1.9", "1.9.1")}
    made = Derived(tmp_path, data, located=located).data
    assert made.ReferencedImageSequence == data.ReferencedImageSequence
    assert len(made.SourceImageSequence) == 1
    here = [item.SeriesInstanceUID for item in made.ReferencedSeriesSequence]
    assert here == [data.SeriesInstanceUID, "1.8.1"]
    others = made.StudiesContainingOtherReferencedInstancesSequence
    assert [item.StudyInstanceUID for item in others] == ["1.7", "1.9"]
    assert others[1].ReferencedSeriesSequence[0].SeriesInstanceUID == "1.9.1"


def test_equipment_names_scanner_and_processing(tmp_path):
    data = dicoms.image(DeviceSerialNumber="7", SoftwareVersions=["a", "b"])
    made = Derived(tmp_path, data).data
    scanner, ours = made.ContributingEquipmentSequence
    assert scanner.PurposeOfReferenceCodeSequence[0].CodeValue == "109101"
    assert (scanner.Manufacturer, scanner.ManufacturerModelName) == ("Acme", "Scanner 1")
    assert (scanner.DeviceSerialNumber, scanner.SoftwareVersions) == ("7", ["a", "b"])
    assert ours.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    assert (ours.Manufacturer, ours.ManufacturerModelName) == ("medclean", "denoise dgan")
    assert ours.SoftwareVersions == ["0.1.0", "0123456789ab"]
    assert "ContributionDateTime" not in ours
    assert (made.Manufacturer, made.SoftwareVersions) == ("Acme", ["a", "b"])


def test_no_manufacturer_means_no_item_for_the_scanner(tmp_path):
    made = Derived(tmp_path, dicoms.image(Manufacturer="")).data
    assert len(made.ContributingEquipmentSequence) == 1


def test_what_would_be_false_is_removed(tmp_path):
    gone = {
        "InstanceCreationDate": "20200101",
        "InstanceCreationTime": "101010",
        "InstanceCreatorUID": "1.2.3",
        "InstanceCoercionDateTime": "20200101",
        "RetrieveAETitle": "PACS",
        "RetrieveURL": "http://pacs",
        "AlternateRepresentationSequence": Sequence([Dataset()]),
        "IconImageSequence": Sequence([Dataset()]),
        "StorageMediaFileSetID": "A",
        "StorageMediaFileSetUID": "1.2.4",
        "SOPInstanceStatus": "AO",
        "SOPAuthorizationDateTime": "20200101",
        "SOPAuthorizationComment": "authorized for diagnostic use",
        "MACParametersSequence": Sequence([Dataset()]),
        "DigitalSignaturesSequence": Sequence([Dataset()]),
        "DataSetTrailingPadding": b"\0" * 8,
        "SmallestPixelValueInSeries": 1,
        "LargestPixelValueInSeries": 2,
    }
    data = dicoms.image(**gone)
    for key in ("SmallestPixelValueInSeries", "LargestPixelValueInSeries"):
        data[key].VR = "US"
    data.private_block(0x0009, "GEIIS", create=True).add_new(0x10, "OB", b"thumbnail.")
    data.private_block(0x0009, "ACME", create=True).add_new(0x10, "OB", b"kept")
    made = Derived(tmp_path, data)
    assert not [key for key in gone if key in made.data]
    assert 0x00091010 not in made.data
    assert made.data[0x00091110].value == b"kept"


def test_description_stays_within_64_characters(tmp_path):
    made = Derived(tmp_path, dicoms.image(SeriesDescription="x" * 64), left_out=["1.2.3"]).data
    assert made.SeriesDescription == "x" * 37 + " [medclean dgan] INCOMPLETE"
    assert len(made.SeriesDescription) == 64


@pytest.mark.parametrize(
    ("step", "prefix"),
    [(SIMULATED, "SIMULATED "), ({"role": "residual"}, "RESIDUAL ")],
)
def test_what_is_no_measurement_says_so_first(tmp_path, step, prefix):
    made = Derived(tmp_path, dicoms.image(), step=replace(STEP, **step)).data
    assert made.SeriesDescription == f"{prefix}Series 1 [medclean dgan]"


def test_a_stamp_is_written_in_the_time_zone_of_the_data(tmp_path):
    step = replace(STEP, stamp="2026-02-03T23:30:00+00:00")
    made = Derived(tmp_path, dicoms.image(TimezoneOffsetFromUTC="+0130"), step=step).data
    assert (made.InstanceCreationDate, made.InstanceCreationTime) == ("20260204", "010000")
    ours = made.ContributingEquipmentSequence[-1]
    assert ours.ContributionDateTime == "20260203233000+0000"
