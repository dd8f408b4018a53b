"""Derived pixels in every transfer syntax that we write, bit for bit."""

import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian

import dicoms
from derived import SYNTAXES, Derived, odd, series_in
from medclean.archive.dicom.read import read


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
