"""Damaged JPEG 2000: what is cut off, missing or altered is refused; nothing that is whole is."""

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data.data_manager import DATA_ROOT
from pydicom.encaps import encapsulate
from pydicom.uid import HTJ2K, JPEG2000, HTJ2KLossless, JPEG2000Lossless

import dicoms
from medclean.archive.dicom.jpeg2000 import Form, decoded, fault, form
from medclean.archive.dicom.read import load
from medclean.archive.dicom.stored import meaningful
from medclean.errors import DataError

SHARED = Path(__file__).parents[2] / "shared" / "data"
SIZE = (96, 80)
FILES = [
    *sorted(Path(DATA_ROOT, "test_files").glob("*2000*.dcm")),
    *sorted(SHARED.glob("dicom_odd/*j2k*.dcm")),
    *sorted(SHARED.glob("dicom/*j2k*/*0.dcm")),
]
UNREADABLE = {  # by pydicom too, or for other reasons
    *("JPEG2000-embedded-sequence-delimiter.dcm", "j2kll-SEG-1_1_u-ab0a62.dcm"),
    "j2kll-xx-__u-f8cd51.dcm",
}


def image(bits=12, *, noise=30.0, signed=False):
    """A ramp with noise."""
    rng = np.random.default_rng(0)
    middle = 0 if signed else 1 << bits - 1
    ramp = np.linspace(-0.2, 0.2, SIZE[0] * SIZE[1]).reshape(SIZE) * (1 << bits)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    kind = f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}"
    return np.clip(ramp + middle + rng.normal(0, noise, SIZE), low, high).astype(kind)


def encoded(bits=12, *, noise=30.0, signed=False, **how):
    pixels = image(bits, noise=noise, signed=signed)
    how = {"level": 0, "reversible": True, "bitspersample": bits, **how}
    return bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", **how))


def tiled():
    """Of six tiles."""
    stream = io.BytesIO()
    Image.fromarray(image()).save(stream, "JPEG2000", tile_size=(48, 32), no_jp2=True)
    return stream.getvalue()


def saved(path, codestream, syntax=JPEG2000Lossless):
    data = dicoms.image(image(), modality="MR", bits=12)
    data.PixelData = encapsulate([codestream])
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    data.file_meta.TransferSyntaxUID = syntax
    data.save_as(path, enforce_file_format=True)
    return path


WHOLE = {
    "lossless": {},
    "8 bits": {"bits": 8, "noise": 3.0},
    "16 bits": {"bits": 16, "noise": 900.0},
    "signed": {"signed": True},
    "flat": {"noise": 0.0},
    "lossy": {"level": 45, "reversible": False},
    "lossy, reversible": {"level": 45},
    "poor": {"level": 20, "reversible": False},
    "two resolutions": {"resolutions": 2},
}


@pytest.mark.parametrize("how", WHOLE.values(), ids=WHOLE)
def test_what_is_whole_is_decoded(how):
    codestream = encoded(**how)
    plain = imagecodecs.jpeg2k_decode(codestream)
    np.testing.assert_array_equal(decoded(codestream), plain)
    np.testing.assert_array_equal(decoded(codestream + b"\0"), plain)  # padded to even length
    bits, signed = how.get("bits", 12), how.get("signed", False)
    assert form(codestream) == Form(1, bits, signed, not how.get("reversible", True))


def test_a_file_around_it_is_passed_over():
    boxed = bytes(imagecodecs.jpeg2k_encode(image(), codecformat="jp2", level=0))
    np.testing.assert_array_equal(decoded(boxed), image())


def test_the_last_part_need_not_state_its_length():
    codestream = bytearray(encoded())
    at = codestream.index(b"\xff\x90")
    codestream[at + 6 : at + 10] = bytes(4)
    np.testing.assert_array_equal(decoded(bytes(codestream)), image())


@pytest.mark.parametrize("encode", [encoded, tiled])
def test_what_is_cut_off_or_missing_is_refused(encode):
    whole = encode()
    assert not fault(whole)
    for end in (0, 3, 20, 60, 100, len(whole) // 2, len(whole) - 1):
        assert fault(whole[:end])
    assert fault(whole[:400] + whole[420:])
    assert fault(whole[:400] + bytes(7) + whole[400:])
    assert fault(whole[:400] + bytes(len(whole) - 400))


def test_tiles_that_are_missing_are_counted():
    whole = tiled()
    second, third = [at for at in range(len(whole)) if whole[at : at + 2] == b"\xff\x90"][1:3]
    assert fault(whole[:second] + whole[third:]) == "1 of its 6 tiles are missing"


@pytest.mark.parametrize("how", [{}, {"level": 60, "reversible": False}], ids=["lossless", "lossy"])
def test_most_that_is_altered_is_found(how):
    """One bit anywhere in the coded data; nothing in a codestream sums it up."""
    whole = encoded(**how)
    plain, refused, wrong = decoded(whole), 0, 0
    for seed in range(60):
        draw = np.random.default_rng(seed)
        altered = bytearray(whole)
        altered[draw.integers(200, len(whole) - 2)] ^= 1 << int(draw.integers(8))
        try:
            wrong += not np.array_equal(decoded(bytes(altered)), plain)
        except (DataError, RuntimeError):
            refused += 1
    assert refused > 3 * wrong


@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        (JPEG2000Lossless, encoded),
        (JPEG2000, lambda: encoded(level=60, reversible=False)),
        (HTJ2KLossless, lambda: bytes(imagecodecs.htj2k_encode(image(), reversible=True))),
        (HTJ2K, lambda: bytes(imagecodecs.htj2k_encode(image(), reversible=False))),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_damaged_files_are_refused(tmp_path, syntax, encode):
    whole = encode()
    path = saved(tmp_path / "a.dcm", whole, syntax)
    np.testing.assert_array_equal(load(path).words[0], pydicom.dcmread(path).pixel_array)
    saved(path, whole[: len(whole) // 2], syntax)
    with pytest.raises(DataError, match="cut off"):
        load(path)
    if syntax in (JPEG2000Lossless, JPEG2000):
        saved(path, whole[:1500] + bytes(100) + whole[1600:], syntax)
        with pytest.raises(DataError, match="do not end where a decoder does"):
            load(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.filterwarnings("ignore")
def test_no_real_file_is_refused(path):
    data = pydicom.dcmread(path)
    if path.name in UNREADABLE or data.get("SamplesPerPixel", 1) != 1:
        pytest.skip("not ours to read")
    words = load(path).words
    bits = data.BitsStored if data.HighBit == data.BitsStored - 1 else data.BitsAllocated
    np.testing.assert_array_equal(
        meaningful(words, bits).reshape(data.pixel_array.shape), data.pixel_array
    )
