"""A data set as spans of bytes: agrees with pydicom, and keeps every byte that is not changed."""

import io

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian

import dicoms
from medclean.archive.dicom.elements import Elements, element, header, item
from medclean.archive.dicom.transcode import deflated, inflated, opened, transcoded
from medclean.archive.limits import Limits, limited
from medclean.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # of values made odd here


def rich(**elements):
    """A data set with all that makes parsing hard."""
    data = dicoms.image(private=True, planted=True, **elements)
    inner = Dataset()
    inner.CodeValue, inner.CodeMeaning = "1", "one"
    inner.is_undefined_length_sequence_item = True
    outer = Dataset()
    outer.ConceptNameCodeSequence = Sequence([inner, Dataset(), inner])
    outer["ConceptNameCodeSequence"].is_undefined_length = True
    outer.private_block(0x0029, "ACME NESTED", create=True).add_new(0x01, "FD", [1.5, -2.0])
    data.ContentSequence = Sequence([outer, inner])
    data["ContentSequence"].is_undefined_length = True
    data.ReferencedImageSequence = Sequence([])
    data.SmallestImagePixelValue = 0
    data["SmallestImagePixelValue"].VR = "US"
    data.RedPaletteColorLookupTableDescriptor = [256, 0, 16]
    data["RedPaletteColorLookupTableDescriptor"].VR = "US"
    data.add_new(0x00091010, "UN", b"no creator")
    data.add_new(0x7FE10010, "LO", "ACME TAIL")
    data.add_new(0x7FE11001, "OW", b"\1\2\3\4")
    return data


def encoded(data, *, implicit=False, big=False):
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = implicit, not big
    write_dataset(buffer, data)
    return buffer.getvalue()


def elements(raw, *, explicit=True, order="<"):
    return Elements(raw, 0, len(raw), explicit, order)


def reread(raw, *, implicit=False):
    return read_dataset(io.BytesIO(raw), implicit, True)


@pytest.mark.parametrize("implicit", [False, True])
def test_finds_what_pydicom_finds(implicit):
    raw = encoded(rich(), implicit=implicit)
    found = elements(raw, explicit=not implicit)
    read = reread(raw, implicit=implicit)
    assert list(found.spans) == sorted(map(int, read.keys()))
    for tag in found.spans:
        value = read.get_item(tag).value
        assert not isinstance(value, bytes) or found.value(tag) == value
    outer = found.items("ContentSequence")[0]
    codes = [inner.text("CodeMeaning") for inner in outer.items("ConceptNameCodeSequence")]
    assert codes == ["one", "", "one"]


@pytest.mark.parametrize("implicit", [False, True])
def test_unchanged_is_byte_identical(implicit):
    raw = encoded(rich(), implicit=implicit)
    assert elements(raw, explicit=not implicit).patched({}) == raw


def test_elements_keep_their_order_and_odd_lengths():
    raw = b"".join(
        header(tag, "LO", 3, explicit=True) + b"odd" for tag in (0x00080070, 0x00080060, 0x7FE10010)
    )
    read = reread(elements(raw).patched({"PatientID": "1"}))
    assert sorted(map(int, read.keys())) == [0x00080060, 0x00080070, 0x00100020, 0x7FE10010]
    assert read.get_item(0x00080070).value == b"odd"


@pytest.mark.parametrize("implicit", [False, True])
def test_changes_are_those_that_pydicom_makes(implicit):
    data = rich()
    raw = encoded(data, implicit=implicit)
    patched = elements(raw, explicit=not implicit).patched(
        {
            "SOPInstanceUID": "2.25.1",
            "SeriesDescription": b"odd",
            "SmallestImagePixelValue": ("US", 7),
            "Manufacturer": None,
            "InstanceCreatorUID": None,
            "DerivationCodeSequence": [{"CodeMeaning": "b", "CodeValue": "a"}, {}],
            0x7FE11001: None,
        }
    )
    data.SOPInstanceUID, data.SeriesDescription = "2.25.1", "odd"
    data.SmallestImagePixelValue = 7
    code = Dataset()
    code.CodeValue, code.CodeMeaning = "a", "b"
    data.DerivationCodeSequence = Sequence([code, Dataset()])
    del data.Manufacturer, data[0x7FE11001]
    assert reread(patched, implicit=implicit) == reread(
        encoded(data, implicit=implicit), implicit=implicit
    )


def test_transcoding_implicit_agrees_with_pydicom():
    raw = encoded(rich(), implicit=True)
    expected = reread(encoded(reread(raw, implicit=True)))
    assert reread(transcoded(elements(raw, explicit=False))) == expected


def test_transcoding_big_endian_agrees_with_pydicom():
    data = rich()
    del data.PixelData, data[0x7FE11001]  # pydicom leaves the swapping of OW to its user
    raw = encoded(data, big=True)
    assert reread(transcoded(elements(raw, order=">"))) == reread(encoded(data))


def test_transcoding_keeps_bytes_that_pydicom_would_tidy():
    raw = b"".join(
        header(tag, "", len(value), explicit=False) + value
        for tag, value in {
            0x00080000: b"\1\0\0\0",
            0x00080005: b"ISO_IR 192",
            0x0008103E: b" \xff\xfe wrong ",
            0x00090010: b"UNKNOWN ",
            0x00091001: b"\1\2",
            0x00200032: b"-1.50000\\ +02\\3 ",
        }.items()
    )
    read = reread(transcoded(elements(raw, explicit=False)))
    assert 0x00080000 not in read
    assert read.get_item(0x0008103E).value == b" \xff\xfe wrong "
    assert read.get_item(0x00200032).value == b"-1.50000\\ +02\\3 "
    assert (read.get_item(0x00091001).VR, read.get_item(0x00091001).value) == ("UN", b"\1\2")


def test_unknown_vr_of_undefined_length_is_implicit_inside():
    inner = header(0x00080100, "", 2, explicit=False) + b"1 "
    body = item(inner, explicit=True) + header(0xFFFEE0DD, "", 0, explicit=False)
    raw = header(0x00400555, "UN", 0xFFFFFFFF, explicit=True) + body
    source = elements(raw + element("PatientID", "x", explicit=True))
    assert source.items(0x00400555)[0].text("CodeValue") == "1"
    assert source.text("PatientID") == "x"
    read = reread(transcoded(source))
    assert read.AcquisitionContextSequence[0].CodeValue == "1"


def nested(depth):
    head = header(0x00400555, "SQ", 0xFFFFFFFF, explicit=True)
    start = header(0xFFFEE000, "", 0xFFFFFFFF, explicit=False)
    ends = [header(tag, "", 0, explicit=False) for tag in (0xFFFEE00D, 0xFFFEE0DD)]
    return (head + start) * depth + b"".join(ends) * depth


BROKEN = {
    "cut": encoded(rich())[:-100],
    "lying length": header(0x00100010, "PN", 60000, explicit=True),
    "no length": header(0x00100010, "OB", 0, explicit=True)[:8],
    "no end": header(0x00400555, "SQ", 0xFFFFFFFF, explicit=True) + b"\0" * 8,
    "too deep": nested(5000),
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
def test_broken_data_is_said_to_be(raw):
    with pytest.raises(DataError, match="taken apart"):
        elements(raw).spans  # noqa: B018  # it is asking that fails


def test_depth_is_bounded_where_lengths_are_stated():
    raw = b""
    for _ in range(1000):
        inner = item(raw, explicit=True)
        raw = header(0x00400555, "SQ", len(inner), explicit=True) + inner
    with pytest.raises(DataError, match="deep"):
        transcoded(elements(raw))


def test_reasonable_depth_is_taken():
    assert list(elements(nested(20)).spans) == [0x00400555]


def test_deflated_comes_back_and_bombs_do_not():
    raw = encoded(rich())
    assert inflated(b"head" + deflated(raw), 4) == raw
    limit = limited(Limits.of("inflated=1000"))
    with limit, pytest.raises(DataError, match="limit is 1000,"):
        inflated(deflated(raw), 0)
    with pytest.raises(DataError, match="damaged"):
        inflated(b"\xff\xff\xff", 0)


def test_file_is_opened_as_its_bytes_say(tmp_path):
    path = dicoms.save(dicoms.image(), tmp_path / "a.dcm", ExplicitVRBigEndian)
    found = opened(path.read_bytes())
    assert (found.syntax, found.elements.order) == (ExplicitVRBigEndian, ">")
    assert np.array_equal(
        np.frombuffer(elements(transcoded(found.elements)).value("PixelData"), "<u2"),
        dicoms.image().pixel_array.ravel(),
    )
    bare = encoded(dicoms.image(), implicit=True)
    assert opened(bare).elements.number("Rows") == dicoms.image().Rows
