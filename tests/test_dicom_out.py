"""Derived instances: their numbers, and every byte that no rule changes."""

import numpy as np
import pytest
from pydicom.uid import JPEG2000, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSNearLossless

import dicoms
from derived import STEP, SYNTAXES, Derived, odd, rewrite, series_in
from medclean.archive.dicom.elements import tag_of
from medclean.archive.dicom.plan import plan
from medclean.archive.dicom.transcode import opened
from medclean.archive.dicom.uids import IMPLEMENTATION_CLASS
from medclean.errors import WriteError

CHANGED = {  # what our rules let a derived CT, MR or PET image change or add
    *("ImageType", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription"),
    *("DerivationDescription", "DerivationCodeSequence", "SourceImageSequence"),
    *("ReferencedSeriesSequence", "ContributingEquipmentSequence", "PixelData"),
    "CodingSchemeIdentificationSequence",
}


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_is_not_named_stays_byte_for_byte(tmp_path, modality, syntax):
    made = Derived(tmp_path, odd(modality), syntax=syntax)
    if syntax == "big":  # other bytes for the same numbers
        dates = ("StudyDate", "SeriesTime", "AcquisitionTime", "ImagePositionPatient", "PatientID")
        assert not {tag_of(key) for key in dates} & made.changed()
    else:
        assert made.changed() <= {tag_of(key) for key in CHANGED}
    assert np.array_equal(made.data.pixel_array, made.source.pixel_array)
    assert made.written.syntax == SYNTAXES[syntax] or syntax == "big"
    assert bool(made.written.notes) == (syntax == "big")


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_both_ways_of_encoding_give_the_same_data_set(tmp_path, syntax):
    kept = Derived(tmp_path / "kept", odd(), syntax=syntax)
    explicit = Derived(tmp_path / "explicit", odd(), syntax=syntax, wanted="explicit")
    assert explicit.data.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    for element in kept.data:
        assert explicit.data[element.tag] == element or element.tag == tag_of("PixelData")
    assert kept.data.keys() == explicit.data.keys()
    assert np.array_equal(explicit.data.pixel_array, kept.source.pixel_array)


def test_file_meta_is_made_from_nothing(tmp_path):
    made = Derived(tmp_path, odd())
    head = made.to.read_bytes()
    assert head[:132] == b"\0" * 128 + b"DICM"
    meta = made.data.file_meta
    assert {element.keyword for element in meta} == {
        "FileMetaInformationGroupLength",
        "FileMetaInformationVersion",
        "MediaStorageSOPClassUID",
        "MediaStorageSOPInstanceUID",
        "TransferSyntaxUID",
        "ImplementationClassUID",
        "ImplementationVersionName",
    }
    assert meta.MediaStorageSOPInstanceUID == made.data.SOPInstanceUID == made.written.uid
    assert meta.MediaStorageSOPClassUID == made.data.SOPClassUID
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS
    assert len(meta.ImplementationVersionName) <= 16
    assert meta.FileMetaInformationGroupLength == made.raw.meta.end - 144


def test_a_rerun_gives_the_same_bytes(tmp_path):
    one, other = (Derived(tmp_path / name, odd()) for name in "ab")
    assert one.to.read_bytes() == other.to.read_bytes()
    assert one.written == other.written


def test_uids_are_new_and_those_of_place_and_time_are_kept(tmp_path):
    made = Derived(tmp_path, odd())
    assert made.data.SOPInstanceUID != made.source.SOPInstanceUID
    assert made.data.SeriesInstanceUID != made.source.SeriesInstanceUID
    assert made.data.StudyInstanceUID == made.source.StudyInstanceUID
    assert made.data.FrameOfReferenceUID == made.source.FrameOfReferenceUID
    assert made.data.SeriesNumber == made.source.SeriesNumber + 1000


def test_empty_uids_are_filled(tmp_path):
    empty = dict.fromkeys(("SOPClassUID", "SOPInstanceUID"), "")
    data = dicoms.image(StudyInstanceUID="", SeriesInstanceUID="", SeriesNumber=None)
    data.update(empty)
    made = Derived(tmp_path, data)
    assert made.data.SOPClassUID == made.source.file_meta.MediaStorageSOPClassUID
    assert made.data.StudyInstanceUID == made.series.study_uid
    (item,) = made.data.SourceImageSequence
    assert item.ReferencedSOPInstanceUID == made.source.file_meta.MediaStorageSOPInstanceUID
    (where,) = made.data.ReferencedSeriesSequence
    assert where.SeriesInstanceUID == made.series.series_uid
    assert "SeriesNumber" not in made.data


def test_group_lengths_are_removed(tmp_path):
    path = dicoms.save(dicoms.image(), tmp_path / "in" / "a.dcm")
    raw = path.read_bytes()
    at = opened(raw).elements.start
    path.write_bytes(raw[:at] + b"\x08\0\0\0UL\4\0\1\2\0\0" + raw[at:])
    made = Derived(tmp_path)
    assert 0x00080000 in made.raw_source.elements
    assert 0x00080000 not in made.raw.elements


@pytest.mark.parametrize("stored", [dicoms.pattern(), dicoms.pattern(signed=True)], ids=["u", "s"])
def test_extremes_are_those_of_the_new_pixels(tmp_path, stored):
    vr = "SS" if stored.dtype.kind == "i" else "US"
    data = dicoms.image(stored, modality="MR")
    data.add_new("SmallestImagePixelValue", vr, 3)
    made = Derived(tmp_path, data, result=np.full((1, *stored.shape), 11, np.float32)).data
    assert (made.SmallestImagePixelValue, made["SmallestImagePixelValue"].VR) == (11, vr)
    assert "LargestImagePixelValue" not in made


def test_left_out_sources_change_both_uids(tmp_path):
    whole, part = (
        Derived(tmp_path / str(gap), dicoms.image(), left_out=gap) for gap in ((), ("1",))
    )
    assert whole.data.SeriesInstanceUID != part.data.SeriesInstanceUID
    assert whole.written.uid != part.written.uid


@pytest.mark.parametrize(
    ("syntax", "options", "method"),
    [
        (JPEGLSNearLossless, {"jls_error": 2}, "ISO_14495_1"),
        (JPEG2000, {"j2k_cr": [4]}, "ISO_15444_1"),
        (JPEG2000Lossless, {}, None),
    ],
)
def test_lossy_history_is_never_lost(tmp_path, syntax, options, method):
    stored = np.linspace(0, 4000, 64 * 64).astype(np.uint16).reshape(64, 64)
    dicoms.save(dicoms.image(stored, bits=12), tmp_path / "in" / "a.dcm", syntax, **options)
    made = Derived(tmp_path)
    assert made.data.get("LossyImageCompression") == ("01" if method else None)
    assert made.data.get("LossyImageCompressionMethod") == method
    assert ("LossyImageCompressionRatio" in made.data) == bool(method)
    assert made.written.syntax in (ExplicitVRLittleEndian, JPEG2000Lossless)
    assert np.array_equal(made.data.pixel_array, made.source.pixel_array)


def test_a_reversible_codestream_is_not_called_lossy(tmp_path):
    path = dicoms.save(dicoms.image(), tmp_path / "in" / "a.dcm", JPEG2000Lossless)
    path.write_bytes(
        path.read_bytes().replace(b"1.2.840.10008.1.2.4.90", b"1.2.840.10008.1.2.4.91")
    )
    made = Derived(tmp_path)
    assert made.source.file_meta.TransferSyntaxUID == JPEG2000
    assert "LossyImageCompression" not in made.data


def test_an_earlier_history_stays(tmp_path):
    data = dicoms.image(LossyImageCompression="01", LossyImageCompressionRatio=["7", "2"])
    made = Derived(tmp_path, data).data
    assert (made.LossyImageCompression, made.LossyImageCompressionRatio) == ("01", [7, 2])
    assert "LossyImageCompressionMethod" not in made


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big", "rle"])
def test_an_overlay_in_high_bits_gets_an_element_of_its_own(tmp_path, syntax):
    stored = dicoms.pattern((16, 24), bits=12)
    drawn = np.random.default_rng(0).integers(0, 2, (16, 24), np.uint16)
    data = dicoms.image(stored | drawn << 13, bits=12)
    data.add_new(0x60000010, "US", 16)
    data.add_new(0x60000011, "US", 24)
    data.add_new(0x60000100, "US", 16)
    data.add_new(0x60000102, "US", 13)
    made = Derived(tmp_path, data, syntax=syntax, wanted="explicit").data
    assert np.array_equal(made.overlay_array(0x6000), drawn)
    assert (made[0x60000100].value, made[0x60000102].value) == (1, 0)
    assert np.array_equal(np.frombuffer(made.PixelData, "<u2").reshape(16, 24), stored)


def test_new_values_are_stored_and_counted(tmp_path):
    stored = np.full((4, 4), 100, np.int16)
    data = dicoms.image(stored, bits=12, slope="0.5", intercept="-10")
    result = np.full((1, 4, 4), 40, np.float32)  # what 100 stands for
    result[0, 0] = 41.2, 1e6, -1e6, 40.25
    made = Derived(tmp_path, data, result=result)
    assert made.data.pixel_array[0].tolist() == [102, 2047, -2048, 100]
    assert (made.data.pixel_array[1:] == 100).all()
    assert made.written.clamped == 2
    assert (made.data.RescaleSlope, made.data.RescaleIntercept) == (0.5, -10)


def test_other_pixels_get_another_uid(tmp_path):
    same, other = (
        Derived(tmp_path / name, dicoms.image(), result=result)
        for name, result in {"a": None, "b": np.zeros((1, 37, 33), np.float32)}.items()
    )
    assert same.written.uid != other.written.uid
    assert same.data.SeriesInstanceUID == other.data.SeriesInstanceUID


def test_files_of_one_uid_become_two_instances(tmp_path):
    for name in ("a.dcm", "b.dcm"):
        dicoms.save(dicoms.image(), tmp_path / "in" / name)
    (series,) = series_in(tmp_path / "in")
    shared = plan(series, STEP)
    uids = {
        rewrite(tmp_path / "in", series, place, shared, tmp_path / "out.dcm").uid
        for place in range(2)
    }
    assert len(uids) == 2


def test_nothing_is_left_where_writing_fails(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(WriteError, match="free space"):
        Derived(tmp_path, dicoms.image())
    assert not list((tmp_path / "out").iterdir())
