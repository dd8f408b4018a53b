"""Stored numbers and real-world values: identity keeps every bit, and rounding is what it says."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medclean.archive.dicom.stored import padding, storable
from medclean.archive.numbers import Encoding, Pixels, to_real, to_stored
from medclean.archive.series import digest_of
from medclean.errors import DataError

SLOPES = st.floats(1e-6, 1e6).flatmap(lambda slope: st.sampled_from([slope, -slope]))
ENCODED = st.tuples(st.integers(1, 32), st.booleans()).filter(lambda pair: pair != (1, True))


def encoding(bits: int = 16, *, signed: bool = False, slope=1.0, intercept=0.0, frames=1, **more):
    low, high = storable(bits, signed=signed)
    return Encoding((slope,) * frames, (intercept,) * frames, low, high, **more)


def pixels(stored, how: Encoding, mask=None) -> Pixels:
    stored = np.asarray(stored)
    mask = np.zeros(stored.shape, bool) if mask is None else mask
    return Pixels(stored, mask, how, digest_of(stored))


@st.composite
def images(draw) -> Pixels:
    bits, signed = draw(ENCODED)
    slope, intercept = draw(SLOPES), draw(st.floats(-1e5, 1e5))
    how = encoding(bits, signed=signed, slope=slope, intercept=intercept, frames=2)
    kind = f"{'ui'[signed]}{1 if bits <= 8 else 2 if bits <= 16 else 4}"
    elements = st.integers(how.low, how.high)
    stored = draw(arrays.arrays(kind, (2, 3, 4), elements=elements))
    ends = sorted(draw(st.tuples(elements, elements)))
    mask, forbidden = padding(stored, draw(st.sampled_from(["CT", "MR"])), how, tuple(ends))
    return pixels(stored, replace(how, forbidden=forbidden), mask)


@given(images())
def test_identity_keeps_every_stored_bit(image):
    result = image.real.copy()
    result[:, 0, 0] += 1  # or the source would be taken whole
    same = to_stored(result, image)
    kept = result == image.real
    assert same.array.dtype == image.stored.dtype
    np.testing.assert_array_equal(same.array[kept], image.stored[kept])


@given(images())
def test_the_source_s_own_result_is_the_source(image):
    same = to_stored(image.real.copy(), image)
    assert same.array is image.stored
    assert same.digest == image.digest
    assert not same.changed


@given(images(), st.floats(-1e6, 1e6, width=32))
def test_any_result_is_storable_and_leaves_padding_alone(image, change):
    new = to_stored(image.real + np.float32(change), image)
    assert new.array.min() >= image.encoding.low
    assert new.array.max() <= image.encoding.high
    np.testing.assert_array_equal(new.array[image.padding], image.stored[image.padding])
    for frame, forbidden in enumerate(image.encoding.forbidden):
        low, high = forbidden or (1, 0)
        whole = low == image.encoding.low and high == image.encoding.high
        denoised = new.array[frame][~image.padding[frame]]
        assert whole or not ((denoised >= low) & (denoised <= high)).any()


def test_rounding_is_half_to_even():
    image = pixels([[[10, 10, 10, 10]]], encoding())
    result = np.array([[[0.5, 1.5, 2.5, 2.51]]], np.float32)
    assert to_stored(result, image).array.tolist() == [[[0, 2, 2, 3]]]


def test_what_cannot_be_stored_is_clamped_and_counted():
    image = pixels([[[0, 100, 4095]]], encoding(12, slope=2.0, intercept=-1024.0))
    result = np.array([[[-1024.0, -3000.0, 1e6]]], np.float32)  # the first is the source's own
    stored = to_stored(result, image)
    assert stored.array.tolist() == [[[0, 0, 4095]]]
    assert stored.clamped == 2


def test_each_frame_has_its_own_slope():
    how = Encoding((2.0, 0.5), (0.0, 1.0), 0, 255)
    image = pixels(np.full((2, 1, 1), 10, np.uint8), how)
    assert to_real(image.stored, how).tolist() == [[[20.0]], [[6.0]]]
    assert to_stored(image.real * 2, image).array.tolist() == [[[20]], [[22]]]


def test_a_denoised_pixel_leaves_the_forbidden_range_by_the_nearer_side():
    stored = np.array([[[-2000, 0, 0, 0]]], np.int16)
    how = encoding(16, signed=True, forbidden=((-2000, -1990),))
    mask = stored == -2000
    image = pixels(stored, how, mask)
    result = np.array([[[5.0, -1999.0, -1991.0, -1989.0]]], np.float32)
    new = to_stored(result, image)
    assert new.array.tolist() == [[[-2000, -2001, -1989, -1989]]]
    assert new.moved == 2


def test_the_forbidden_range_may_end_where_storing_ends():
    image = pixels(np.full((1, 1, 2), 7, np.uint8), encoding(8, forbidden=((0, 3),)))
    assert to_stored(np.array([[[0.0, 2.0]]], np.float32), image).array.tolist() == [[[4, 4]]]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_result_that_is_no_number_is_refused(value):
    image = pixels(np.zeros((1, 1, 1), np.int16), encoding())
    with pytest.raises(DataError, match="no numbers"):
        to_stored(np.full((1, 1, 1), value, np.float32), image)


@given(images())
def test_real_values_are_rounded_once(image):
    slope, intercept = (
        np.array(part)[:, None, None] for part in (image.encoding.slope, image.encoding.intercept)
    )
    np.testing.assert_array_equal(image.real, np.float32(image.stored * slope + intercept))


def test_what_changes_in_padding_alone_is_no_change():
    stored = np.array([[[-2000, 5]]], np.int16)
    image = pixels(stored, encoding(16, signed=True), stored == -2000)
    same = to_stored(np.array([[[5.0, 5.0]]], np.float32), image)
    assert not same.changed
    assert same.array is image.stored
