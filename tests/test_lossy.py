"""Lossy history: found in what the source is, appended to what it says, never taken back."""

import imagecodecs
import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

import dicoms
from derived import Derived
from medclean.archive.dicom.lossy import irreversible

IMAGE = np.linspace(0, 4000, 64 * 48).astype(np.uint16).reshape(64, 48)
ENCODERS = {
    "jpeg8": lambda image: imagecodecs.jpeg8_encode((image >> 4).astype(np.uint8)),
    "jpeg12": lambda image: imagecodecs.jpeg8_encode(image, bitspersample=12),
    "ljpeg": lambda image: imagecodecs.jpeg8_encode(image, lossless=True, bitspersample=12),
    "jpegls": lambda image: imagecodecs.jpegls_encode(image),
    "near": lambda image: imagecodecs.jpegls_encode(image, level=2),
    "j2k": lambda image: _j2k(image, reversible=True),
    "j2k, rounded": lambda image: _j2k(image, level=60),
    "htj2k": lambda image: imagecodecs.htj2k_encode(image, reversible=True),
    "htj2k, rounded": lambda image: imagecodecs.htj2k_encode(image, reversible=False),
}


def _j2k(image, **how):
    return imagecodecs.jpeg2k_encode(image, codecformat="j2k", bitspersample=12, **how)


def compressed(syntax, encoder, frames=1, **elements):
    """An image whose pixels were encoded by somebody else; its frames are alike."""
    bits = 8 if encoder == "jpeg8" else 12
    stored = (IMAGE >> 4).astype(np.uint8) if bits == 8 else IMAGE
    data = dicoms.image(stored, modality="MR", bits=bits, **elements)
    if frames > 1:
        data.NumberOfFrames = frames
    content = bytes(ENCODERS[encoder](IMAGE))
    data.PixelData = encapsulate([content] * frames)
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    data.file_meta.TransferSyntaxUID = syntax
    return data, stored.nbytes / (len(content) + len(content) % 2)


def derive(tmp_path, data, **how):
    path = tmp_path / "in" / "a.dcm"
    path.parent.mkdir(parents=True)
    data.save_as(path, enforce_file_format=True)
    return Derived(tmp_path, **how).data


@pytest.mark.parametrize(
    ("syntax", "encoder", "method"),
    [
        (JPEGBaseline8Bit, "jpeg8", "ISO_10918_1"),
        (JPEGExtended12Bit, "jpeg12", "ISO_10918_1"),
        (JPEGLossless, "ljpeg", None),
        (JPEGLosslessSV1, "ljpeg", None),
        (JPEGLSLossless, "jpegls", None),
        (JPEGLSNearLossless, "near", "ISO_14495_1"),
        (JPEG2000Lossless, "j2k", None),
        (JPEG2000, "j2k", None),
        (JPEG2000, "j2k, rounded", "ISO_15444_1"),
        (HTJ2KLossless, "htj2k", None),
        (HTJ2K, "htj2k", None),
        (HTJ2K, "htj2k, rounded", "ISO_15444_15"),
    ],
)
def test_compression_is_told_whatever_the_source_says(tmp_path, syntax, encoder, method):
    data, ratio = compressed(syntax, encoder)
    made = derive(tmp_path, data)
    assert made.get("LossyImageCompression") == ("01" if method else None)
    assert made.get("LossyImageCompressionMethod") == method
    if method:
        assert float(made.LossyImageCompressionRatio) == pytest.approx(ratio, rel=1e-4)
    ours = (JPEGLSLossless, JPEG2000Lossless)
    kept = syntax if syntax in ours else ExplicitVRLittleEndian
    assert made.file_meta.TransferSyntaxUID == kept


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({}, ("ISO_14495_1", 1)),
        ({"Ratio": ["7"]}, ("ISO_14495_1", 1)),  # that of this compression, whose name is missing
        ({"Ratio": ["7"], "Method": ["ISO_10918_1"]}, (["ISO_10918_1", "ISO_14495_1"], 2)),
        ({"Ratio": ["7"], "Method": ["ISO_14495_1"]}, ("ISO_14495_1", 1)),
        ({"Method": ["ISO_14495_1"]}, ("ISO_14495_1", 1)),
        ({"Method": ["ISO_10918_1"]}, (["ISO_10918_1", "ISO_14495_1"], 0)),  # whose would it be?
        ({"Ratio": ["7", "3"], "Method": ["ISO_10918_1"]}, (["ISO_10918_1", "ISO_14495_1"], 2)),
    ],
)
def test_the_last_compression_is_appended_to_earlier_ones(tmp_path, stated, expected):
    elements = {f"LossyImageCompression{key}": value for key, value in stated.items()}
    data, ratio = compressed(
        JPEGLSNearLossless, "near", **elements, LossyImageCompression="00" if not stated else "01"
    )
    made = derive(tmp_path, data)
    ratios = np.atleast_1d(made.get("LossyImageCompressionRatio", [])).astype(float)
    assert made.LossyImageCompression == "01"
    assert (made.LossyImageCompressionMethod, len(ratios)) == expected
    earlier = [float(value) for value in stated.get("Ratio", [])]
    assert list(ratios[: len(earlier)]) == earlier
    assert list(ratios[len(earlier) :]) == pytest.approx(
        [ratio] * (len(ratios) - len(earlier)), rel=1e-4
    )


def test_what_was_lossy_once_stays_so(tmp_path):
    data = dicoms.image(modality="MR", LossyImageCompression="01")
    first = Derived(tmp_path / "1", data).data
    again = Derived(tmp_path / "2", first, wanted="rle").data
    assert again.LossyImageCompression == "01"
    assert "LossyImageCompressionRatio" not in again  # nobody knows it any more


def test_the_ratio_counts_all_frames(tmp_path):
    data, ratio = compressed(JPEGLSNearLossless, "near", frames=3)
    made = derive(tmp_path, data)
    assert float(made.LossyImageCompressionRatio) == pytest.approx(ratio, rel=1e-4)


def codestream(*segments):
    """A main header of these markers, with contents, and the first tile behind it."""
    parts = [
        bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content
        for marker, content in ((0x51, b"\0" * 38), *segments, (0x90, b"\0" * 8))
    ]
    return b"\xff\x4f" + b"".join(parts)


def cod(transformation):
    return 0x52, bytes([0, 0, 0, 1, 0, 5, 4, 4, 0, transformation])


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (codestream(cod(0)), True),
        (codestream(cod(1)), False),
        (codestream((0x64, b"comment"), (0x5C, b"\0" * 17), cod(0)), True),
        (codestream((0x50, b"\0" * 6), cod(0)), True),  # capabilities, in HTJ2K
        (codestream(cod(1), (0x53, bytes([0, 0, 5, 4, 4, 0, 0]))), True),  # the component's own
        (b"\0\0\0\x0cjP  \r\n\x87\n" + b"box" + codestream(cod(0)), True),
        (b"\1\2\3" + codestream(cod(0)), False),  # the inside of another one
        (codestream(cod(0))[:50], False),
        (b"\xff\x4f\xff\x51" + b"\xff\x64\0\0" * 9, False),
        (b"", False),
    ],
)
def test_the_codestream_says_whether_it_rounds(stream, expected):
    assert irreversible(stream) is expected


@pytest.mark.parametrize("role", ["image", "residual"])
def test_a_residual_has_the_history_of_its_source(tmp_path, role):
    from dataclasses import replace

    from derived import STEP

    data, ratio = compressed(JPEGBaseline8Bit, "jpeg8")
    made = derive(tmp_path, data, step=replace(STEP, role=role))
    assert made.LossyImageCompression == "01"
    assert float(made.LossyImageCompressionRatio) == pytest.approx(ratio, rel=1e-4)
