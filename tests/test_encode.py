"""Derived pixels in every transfer syntax that we write, bit for bit."""

from itertools import product

import numpy as np
import pytest
from pydicom.encaps import generate_frames, parse_basic_offsets
from pydicom.pixels import pixel_array
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

import dicoms
from derived import SYNTAXES, Derived, odd, series_in
from medclean.archive.dicom import encode
from medclean.archive.dicom.read import read
from medclean.errors import DataError


@pytest.mark.parametrize("wanted", ["keep", "explicit", "rle", "jpeg2000", "jpegls"])
@pytest.mark.parametrize("syntax", ["implicit", "big", "jpegls"])
def test_syntax_is_the_one_asked_for(tmp_path, wanted, syntax):
    made = Derived(tmp_path, odd(), syntax=syntax, wanted=wanted)
    kept = ExplicitVRLittleEndian if syntax == "big" else SYNTAXES[syntax]
    assert made.written.syntax == (kept if wanted == "keep" else SYNTAXES[wanted])
    assert made.data.file_meta.TransferSyntaxUID == made.written.syntax
    assert np.array_equal(made.data.pixel_array, made.source.pixel_array)


@pytest.mark.parametrize("wanted", ["explicit", "rle", "jpeg2000", "jpegls"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [*range(1, 17), 24, 32])
def test_every_depth_comes_back_as_it_was(tmp_path, wanted, signed, bits):
    kind = dicoms.pattern(bits=bits, signed=signed)
    stored = np.sort(kind.ravel()).reshape(kind.shape)  # noise is refused by some encoders
    made = Derived(tmp_path, dicoms.image(stored, bits=bits), wanted=wanted)
    assert np.array_equal(made.data.pixel_array, stored)
    (derived,) = series_in(made.to.parent)
    assert np.array_equal(read(made.to.parent, derived, 0).stored[0], stored)
    assert bool(made.written.notes) == (made.written.syntax != SYNTAXES[wanted])


@pytest.mark.parametrize("wanted", ["rle", "jpeg2000", "jpegls"])
def test_few_bits_in_wide_words_come_back(tmp_path, wanted):
    stored = np.sort(dicoms.pattern((40, 33), bits=6), None).reshape(40, 33).astype(np.uint16)
    made = Derived(tmp_path, dicoms.image(stored, bits=6), wanted=wanted)
    assert made.data.BitsAllocated == 16
    assert np.array_equal(made.data.pixel_array, stored)


@pytest.mark.parametrize("wanted", ["jpeg2000", "jpegls"])
def test_what_an_encoder_refuses_is_written_natively(tmp_path, wanted):
    tiny_noise = dicoms.image(dicoms.pattern((9, 7), bits=8), bits=8)
    made = Derived(tmp_path, tiny_noise, wanted=wanted)
    assert made.written.syntax == ExplicitVRLittleEndian
    assert "losslessly" in made.written.notes[0]
    assert np.array_equal(made.data.pixel_array, made.source.pixel_array)


@pytest.mark.parametrize("wanted", ["explicit", "rle", "jpegls"])
def test_several_frames_stay_in_order(tmp_path, wanted):
    stored = dicoms.pattern((3, 9, 7))
    made = Derived(tmp_path, dicoms.image(stored, modality="SC"), wanted=wanted)
    assert np.array_equal(made.data.pixel_array, stored)


@pytest.mark.parametrize("wanted", ["keep", "explicit", "rle", "jpeg2000", "jpegls"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("syntax", "bits"),
    [*product(SYNTAXES, (8, 12, 16)), *product(("implicit", "explicit", "deflated", "big"), (32,))],
)
def test_every_way_in_leads_to_every_way_out(tmp_path, wanted, bits, signed, syntax):
    stored = np.sort(dicoms.pattern((40, 33), bits=bits, signed=signed), None).reshape(40, 33)
    made = Derived(tmp_path, dicoms.image(stored, bits=bits), syntax=syntax, wanted=wanted)
    for kept in ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        assert made.data[kept].value == made.source[kept].value
    assert np.array_equal(made.data.pixel_array, stored)
    new = made.data.file_meta.TransferSyntaxUID
    in_bytes = new.is_encapsulated or (bits == 8 and not new.is_implicit_VR)
    assert (made.data["PixelData"].VR == "OB") == in_bytes


# Pixels that native ones cannot hold: 4 GiB are no test, so that the limit is lowered


@pytest.fixture
def little(monkeypatch):
    monkeypatch.setattr(encode, "LARGEST", 4000)


FRAMES = np.sort(dicoms.pattern((5, 34, 33), bits=12), axis=-1)


@pytest.mark.usefixtures("little")
@pytest.mark.parametrize(("wanted", "syntax"), [("explicit", "rle"), ("keep", "implicit")])
def test_too_much_for_native_pixels_becomes_rle(tmp_path, wanted, syntax):
    data = dicoms.image(FRAMES, bits=12, modality="SC")
    made = Derived(tmp_path, data, wanted=wanted, syntax=syntax)
    assert made.written.syntax == RLELossless
    (note,) = made.written.notes
    assert "RLE" in note
    assert "4 GiB" in note
    assert np.array_equal(made.data.pixel_array, FRAMES)


@pytest.mark.parametrize("wanted", ["rle", "jpegls", "jpeg2000"])
@pytest.mark.usefixtures("little")
def test_large_offsets_stand_in_the_extended_table(tmp_path, wanted):
    source = np.concatenate([FRAMES, FRAMES])
    data = dicoms.image(source, bits=12, modality="SC")
    made = Derived(tmp_path, data, wanted=wanted).data
    assert made.file_meta.TransferSyntaxUID == SYNTAXES[wanted]
    content = made.PixelData
    assert parse_basic_offsets(content) == []
    offsets = np.frombuffer(made.ExtendedOffsetTable, "<u8").tolist()
    lengths = np.frombuffer(made.ExtendedOffsetTableLengths, "<u8").tolist()
    for offset, length in zip(offsets, lengths, strict=True):
        item = content[8 + offset :][:8]  # behind the empty basic table
        assert item == b"\xfe\xff\x00\xe0" + length.to_bytes(4, "little")
    tables = (made.ExtendedOffsetTable, made.ExtendedOffsetTableLengths)
    found = list(generate_frames(content, number_of_frames=10, extended_offsets=tables))
    assert [len(frame) for frame in found] == lengths
    assert np.array_equal(made.pixel_array, source)
    for index in (9, 0, 4):
        assert np.array_equal(pixel_array(tmp_path / "out" / "a.dcm", index=index), source[index])


@pytest.mark.usefixtures("little")
def test_tables_of_the_source_do_not_survive_where_they_are_not_needed(tmp_path, monkeypatch):
    data = dicoms.image(FRAMES, bits=12, modality="SC")
    large = Derived(tmp_path / "1", data, wanted="rle")
    assert "ExtendedOffsetTable" in large.data
    monkeypatch.setattr(encode, "LARGEST", 1 << 32)
    (tmp_path / "2" / "in").mkdir(parents=True)
    large.to.rename(tmp_path / "2" / "in" / "a.dcm")
    made = Derived(tmp_path / "2").data
    assert "ExtendedOffsetTable" not in made
    assert len(parse_basic_offsets(made.PixelData)) == 5
    assert np.array_equal(made.pixel_array, FRAMES)


@pytest.mark.usefixtures("little")
def test_what_fits_nowhere_is_refused(tmp_path):
    wide = dicoms.pattern((40, 40), bits=32)
    with pytest.raises(DataError, match=r"6400 bytes .* 32 bits"):
        Derived(tmp_path / "wide", dicoms.image(wide, bits=32))
    with pytest.raises(DataError, match="too many"):  # a frame that is longer than an item
        Derived(tmp_path / "noise", dicoms.image(dicoms.pattern((80, 80)), bits=16), wanted="rle")
