"""From a file to pixels: what is DICOM, what it says, and that no bit is lost on the way."""

import os
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import uid as uids
from pydicom.dataset import Dataset
from pydicom.pixels import pixel_array
from pydicom.sequence import Sequence

import dicoms
from medclean.archive.dicom import parse
from medclean.archive.dicom.headers import Header, read_header
from medclean.archive.dicom.kinds import kind_of
from medclean.archive.dicom.read import read
from medclean.archive.limits import Limits, limited
from medclean.archive.series import Instance, LeftOut, Series
from medclean.errors import DataError

ODD = Path("../shared/data/dicom_odd")
SYNTAXES = (
    uids.ImplicitVRLittleEndian,
    uids.ExplicitVRLittleEndian,
    uids.DeflatedExplicitVRLittleEndian,
    uids.ExplicitVRBigEndian,
    uids.RLELossless,
    uids.JPEGLSLossless,
    uids.JPEG2000Lossless,
)


def header(path: Path) -> Header:
    found = read_header(path.parent, path.name)
    assert isinstance(found, Header), found
    return found


def left_out(path: Path) -> LeftOut:
    found = read_header(path.parent, path.name)
    assert isinstance(found, LeftOut)
    return found


def pixels_of(path: Path):
    series = Series("", "dicom", "", "au", (Instance(path.name, 1, 0),), ())
    return read(path.parent, series, 0)


# What a file is


def test_a_file_without_preamble_and_meta_is_dicom(tmp_path):
    path = dicoms.save(dicoms.image(), tmp_path / "a")
    content = path.read_bytes()
    start = 132 + 12 + int.from_bytes(content[140:144], "little")
    path.write_bytes(content[start:])
    assert header(path).sop_class == uids.CTImageStorage
    assert kind_of(header(path)) == ("", "")
    assert pixels_of(path).stored.shape == (1, 37, 33)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", "skipped"),
        (b"\x08\0", "skipped"),
        (b"# a text file\n" * 20, "skipped"),
        (b"\x08\0\x05\0" + bytes(range(256)), "skipped"),
        (bytes(128) + b"DICM", "failed"),
        (bytes(128) + b"DICM\2\0\0\0UL\4\0" + b"\xff" * 50, "failed"),
    ],
)
def test_what_is_no_dicom(tmp_path, content, status):
    (tmp_path / "a").write_bytes(content)
    assert left_out(tmp_path / "a").status == status


def test_no_length_makes_a_part_of_a_file_pass_for_dicom(tmp_path):
    content = dicoms.save(dicoms.image(private=True, planted=True), tmp_path / "a").read_bytes()
    pixels = len(content) - 37 * 33 * 2 - 12
    for length in range(140, pixels, 41):
        (tmp_path / "a").write_bytes(content[:length])
        found = read_header(tmp_path, "a")
        if isinstance(found, Header):  # cut between two elements: to be read, and fail its series
            assert kind_of(found) == ("", "")
            assert found.broken
        else:
            assert found.status == "failed" or found.reason == "not DICOM"
            assert not any(word in found.reason for word in dicoms.PLANTED)
    (tmp_path / "a").write_bytes(content[:-1])
    assert "cut off" in header(tmp_path / "a").broken


def test_a_dicomdir_is_skipped_and_not_followed(tmp_path):
    data = dicoms.image(SOPClassUID=uids.MediaStorageDirectoryStorage)
    found = left_out(dicoms.save(data, tmp_path / "DICOMDIR"))
    assert found.status == "skipped"
    assert found.reason.startswith("a DICOMDIR")


def test_a_bomb_is_inflated_within_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr(parse, "INFLATED_HEADER", 1 << 16)
    path = dicoms.save(
        dicoms.image(np.zeros((1024, 1024), np.uint16)),
        tmp_path / "a",
        uids.DeflatedExplicitVRLittleEndian,
    )
    assert header(path).broken == ""
    limit = limited(Limits.of("inflated=1MiB"))
    with limit, pytest.raises(DataError, match="limit is 1MiB, --limits inflated"):
        pixels_of(path)


def test_sequences_nested_beyond_any_need_fail(tmp_path):
    path = dicoms.save(dicoms.image(), tmp_path / "a")
    content = path.read_bytes()
    pixels = content.index(b"\xe0\x7f\x10\0OW")
    begin = b"\x40\0\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"
    path.write_bytes(content[:pixels] + begin * 5000 + content[pixels:])
    assert left_out(path) == LeftOut(
        "a", "failed", "cannot be parsed: its sequences are nested too deep, beyond all --limits"
    )


def test_a_file_that_cannot_be_opened_fails(tmp_path):
    (tmp_path / "a").symlink_to("nowhere")
    assert left_out(tmp_path / "a") == LeftOut(
        "a", "failed", "cannot be opened: no such file or directory"
    )
    os.mkfifo(tmp_path / "b")
    assert left_out(tmp_path / "b").reason == "not a file"


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Rows": 65535, "Columns": 65535}, "claims 8191 MiB of pixels: the limit is 6GiB"),
        ({"NumberOfFrames": 2**31 - 1}, "claims 2147483647 frames"),
        ({"NumberOfFrames": -1}, "-1 frames"),
        ({"Rows": 0}, "0 x 33 pixels"),
        ({"BitsAllocated": 12}, "Bits Allocated 12"),
        ({"BitsStored": 17}, "Bits Stored 17"),
        ({"Rows": 38}, "cut off"),
    ],
)
def test_impossible_pixels_fail_without_an_allocation(tmp_path, elements, reason):
    path = dicoms.save(dicoms.image(**elements), tmp_path / "a")
    assert reason in header(path).broken
    with pytest.raises(DataError, match=reason):
        pixels_of(path)


# Pixels


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_pixels_are_those_of_pydicom(tmp_path, syntax, signed, bits):
    stored = dicoms.pattern(bits=bits, signed=signed)
    path = dicoms.save(dicoms.image(stored, bits=bits), tmp_path / "a", syntax)
    pixels = pixels_of(path)
    assert pixels.syntax == syntax
    assert pixels.stored.dtype.newbyteorder("=") == stored.dtype
    np.testing.assert_array_equal(pixels.stored[0], stored)
    np.testing.assert_array_equal(pixels.stored[0], pixel_array(pydicom.dcmread(path), raw=True))


def test_the_digest_is_of_values_not_of_their_encoding(tmp_path):
    digests = {
        pixels_of(dicoms.save(dicoms.image(), tmp_path / syntax, syntax)).digest
        for syntax in SYNTAXES
    }
    assert len(digests) == 1


def test_bits_above_bits_stored_are_cleared(tmp_path):
    words = np.array([[0xF123, 0x0FFF], [0x8000, 0x7ABC]], np.uint16)
    path = dicoms.save(dicoms.image(words, bits=12), tmp_path / "a")
    assert pixels_of(path).stored.tolist() == [[[0x123, 0xFFF], [0, 0xABC]]]


@pytest.mark.parametrize("vr", ["US", "SS"])
def test_padding_is_read_in_either_sign(tmp_path, vr):
    stored = np.full((6, 6), 50, np.int16)
    stored[0] = -2000
    data = dicoms.image(stored, padding=-2000)
    data["PixelPaddingValue"].VR = vr
    data.PixelPaddingValue = -2000 if vr == "SS" else 63536
    pixels = pixels_of(dicoms.save(data, tmp_path / "a"))
    assert pixels.padding[0].sum() == 6
    assert pixels.encoding.forbidden == ((-2000, -2000),)


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"slope": "0"}, "Rescale Slope is 0"),
        ({"intercept": None, "ModalityLUTSequence": Sequence([Dataset()])}, "Modality LUT"),
    ],
)
def test_numbers_without_a_meaning_are_refused(tmp_path, elements, reason):
    path = dicoms.save(dicoms.image(**elements), tmp_path / "a")
    with pytest.raises(DataError, match=reason):
        pixels_of(path)


@pytest.mark.parametrize("slope", [b"nan ", b"x   "])
def test_a_slope_that_is_no_number_is_refused(tmp_path, slope):
    path = dicoms.save(dicoms.image(slope="1.25"), tmp_path / "a")
    path.write_bytes(path.read_bytes().replace(b"1.25", slope))
    with pytest.raises(DataError, match="RescaleSlope is no finite number"):
        pixels_of(path)


@pytest.mark.parametrize(("number", "reason"), [(0.0, "is 0"), (float("nan"), "no finite number")])
def test_a_float_for_a_slope_means_no_more_than_a_text(tmp_path, number, reason):
    data = dicoms.image(slope=None)
    data.add_new("RescaleSlope", "FD", number)
    with pytest.raises(DataError, match=reason):
        pixels_of(dicoms.save(data, tmp_path / "a"))


def test_damaged_pixels_fail_without_a_warning(tmp_path, capfd):
    path = dicoms.save(dicoms.image(), tmp_path / "a", uids.JPEG2000Lossless)
    path.write_bytes(path.read_bytes().replace(b"\xff\x4f\xff\x51", b"none"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match="codestream is damaged"):
            pixels_of(path)


# Real files, where they are


def readable(path: Path) -> np.ndarray | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pixel_array(pydicom.dcmread(path, force=True), raw=True)
        except Exception:  # the measure of "readable": pydicom raises what it likes
            return None


@pytest.mark.parametrize(
    "path",
    sorted(ODD.glob("*.dcm")) or [pytest.param(None, marks=pytest.mark.skip("no shared data"))],
    ids=lambda path: path and path.stem,
)
def test_real_pixels_are_those_of_pydicom(path):
    found = read_header(path.parent, path.name)
    expected = readable(path)
    if expected is None or isinstance(found, LeftOut) or kind_of(found, ["all"])[1]:
        return
    np.testing.assert_array_equal(pixels_of(path).stored.reshape(expected.shape), expected)
