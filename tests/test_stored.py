"""What stored integers mean: which bits count, and which pixels are no image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medclean.archive.dicom.stored import declared_padding, meaningful, padding, storable
from medclean.archive.numbers import Encoding


def encoding(bits: int = 16, *, signed: bool = False, slope=1.0, intercept=0.0, frames=1, **more):
    low, high = storable(bits, signed=signed)
    return Encoding((slope,) * frames, (intercept,) * frames, low, high, **more)


@given(st.integers(1, 16), st.booleans(), st.integers(0, 0xFFFF))
def test_bits_above_bits_stored_mean_nothing(bits, signed, word):
    low, high = storable(bits, signed=signed)
    words = np.array([word], np.uint16).view(np.int16 if signed else np.uint16)
    value = int(meaningful(words, bits)[0])
    assert low <= value <= high
    assert value % (1 << bits) == word % (1 << bits)


@pytest.mark.parametrize(
    ("value", "limit", "bits", "signed", "expected"),
    [
        (None, None, 16, True, None),
        (63536, None, 16, True, (-2000, -2000)),  # -2000, whichever VR it was written with
        (63536, None, 16, False, (63536, 63536)),
        (0x0800, None, 12, True, (-2048, -2048)),  # the sign was not repeated above bit 11
        (63536, None, 12, False, None),  # no pixel can have it
        (4095, 4000, 12, False, (4000, 4095)),  # the limit may lie on either side
        (0, None, 16, False, (0, 0)),
    ],
)
def test_declared_padding_is_read_as_the_pixels_are(value, limit, bits, signed, expected):
    assert declared_padding(value, limit, bits, signed=signed) == expected


def disc(background: int, inside: int, size: int = 9) -> np.ndarray:
    row, column = np.mgrid[:size, :size] - size // 2
    body = row**2 + column**2 <= (size // 2) ** 2
    return np.where(body, inside, background).astype(np.int16)[None]


def test_declared_padding_at_the_border_is_masked_and_forbidden():
    stored = disc(-2000, 40)
    mask, forbidden = padding(stored, "CT", encoding(signed=True), (-2000, -2000))
    np.testing.assert_array_equal(mask, stored == -2000)
    assert forbidden == ((-2000, -2000),)


def test_declared_padding_inside_the_image_is_background():
    stored = disc(-2000, 40)
    stored[0, 4, 4] = -2000
    mask, forbidden = padding(stored, "PT", encoding(signed=True), (-2000, -2000))
    assert mask[0, 4, 4]
    assert forbidden == (None,)


def test_each_frame_has_padding_of_its_own():
    stored = np.concatenate([disc(-2000, 40), disc(-2000, 40)])
    stored[1, 4, 4] = -2000
    mask, forbidden = padding(stored, "PT", encoding(signed=True, frames=2), (-2000, -2000))
    np.testing.assert_array_equal(mask, stored == -2000)
    assert forbidden == ((-2000, -2000), None)


def test_padding_0_of_mr_is_background():
    mask, forbidden = padding(disc(0, 40), "MR", encoding(), (0, 0))
    assert mask.any()
    assert forbidden == (None,)


def test_an_undeclared_border_of_ct_is_restored():
    how = encoding(signed=True, intercept=-1024.0)
    stored = disc(-2000, 40)
    stored[0, 4, 4] = -2000  # inside: an image, of something
    mask, forbidden = padding(stored, "CT", how, None)
    assert mask.sum() == (stored == -2000).sum() - 1
    assert not forbidden
    assert not padding(stored, "MR", how, None)[0].any()
    assert not padding(disc(30, 40), "CT", how, None)[0].any()  # -994 HU is air
