"""Overlays in the high bits of pixels (retired) get elements of their own."""

from dataclasses import replace

import numpy as np
import pytest

import dicoms
from derived import STEP, Derived

DRAWN = np.random.default_rng(0).integers(0, 2, (3, 3, 15, 23), np.uint16)  # overlay, frame, ...
STORED = dicoms.pattern((3, 15, 23), bits=12)
BITS = {0x6000: 13, 0x6002: 15, 0x601E: 12}


def image(frames=1, *, signed=False, **elements):
    """An image with three overlays in its high bits, and one that has an element already."""
    pixels = STORED[:frames] | sum(DRAWN[n, :frames] << bit for n, bit in enumerate(BITS.values()))
    pixels = pixels.view(np.int16) if signed else pixels
    modality = "SC" if frames > 1 else "MR"
    data = dicoms.image(pixels if frames > 1 else pixels[0], bits=12, modality=modality, **elements)
    for group, bit in BITS.items():
        describe(data, group, bit, 16)
        data.add_new(group << 16 | 0x0200, "US", 0x7FE0)  # where it lies, as ACR-NEMA had it
    describe(data, 0x6004, 0, 1)
    data.add_new(0x60043000, "OW", np.packbits(DRAWN[0, 0], bitorder="little").tobytes())
    return data


def describe(data, group, position, allocated):
    at = group << 16
    data.add_new(at | 0x0010, "US", 15)
    data.add_new(at | 0x0011, "US", 23)
    data.add_new(at | 0x0022, "LO", f"overlay {group:04X}")
    data.add_new(at | 0x0040, "CS", "G")
    data.add_new(at | 0x0050, "SS", [1, 1])
    data.add_new(at | 0x0100, "US", allocated)
    data.add_new(at | 0x0102, "US", position)


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("wanted", ["explicit", "rle", "jpegls"])
def test_all_of_them_are_moved(tmp_path, frames, signed, wanted):
    made = Derived(tmp_path, image(frames, signed=signed), wanted=wanted).data
    for number, group in enumerate(BITS):
        drawn = DRAWN[number, :frames]
        np.testing.assert_array_equal(made.overlay_array(group), drawn if frames > 1 else drawn[0])
        at = group << 16
        assert (made[at | 0x0100].value, made[at | 0x0102].value) == (1, 0)
        assert made[at | 0x0022].value == f"overlay {group:04X}"
        assert at | 0x0200 not in made
        assert (at | 0x0015 in made, at | 0x0051 in made) == (frames > 1, frames > 1)
    stored = STORED[:frames] if frames > 1 else STORED[0]
    expected = (stored << 4).view(np.int16) >> 4 if signed else stored
    np.testing.assert_array_equal(made.pixel_array, expected)


def test_one_that_has_an_element_stays_as_it_is(tmp_path):
    data = image()
    made = Derived(tmp_path, data).data
    for element in data.group_dataset(0x6004):
        assert made[element.tag] == element


def test_a_residual_has_them_too(tmp_path):
    result = np.zeros((1, 15, 23), np.float32)
    made = Derived(tmp_path, image(), result=result, step=replace(STEP, role="residual")).data
    np.testing.assert_array_equal(made.pixel_array, STORED[0])
    np.testing.assert_array_equal(made.overlay_array(0x6002), DRAWN[1, 0])


def test_bits_of_a_value_that_stands_elsewhere_are_no_overlay(tmp_path):
    """High Bit 15 of 12 Bits Stored: bits 12 and 13 belong to the value, and nothing is moved."""
    data = dicoms.image(STORED[0] << 4, bits=12, HighBit=15)
    describe(data, 0x6000, 13, 16)
    made = Derived(tmp_path, data)
    assert 0x60003000 not in made.data
    assert made.data.PixelData == made.source.PixelData
