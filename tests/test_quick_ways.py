"""What is taken from the bytes of a file equals what pydicom makes of it."""

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import uid as uids

import dicoms
from derived import SYNTAXES, odd
from medclean.archive.dicom import glance, read
from medclean.archive.dicom.headers import Header, header_of, read_header
from medclean.archive.dicom.lossless import is_plain_lossless
from medclean.archive.dicom.parse import parse_header
from medclean.errors import DataError

TESTED = Path(pydicom.__file__).parent / "data" / "test_files"
SHARED = Path("../shared/data")
LARGEST = 1 << 20  # bytes of a file, so that the tests stay quick

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def files(folder):
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in paths if path.stat().st_size < LARGEST]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One file of each encoding, with all that makes parsing hard, and what could be wrong."""
    folder = tmp_path_factory.mktemp("made")
    for name, syntax in SYNTAXES.items():
        dicoms.save(odd(), folder / f"{name}.dcm", syntax)
        stack = dicoms.image(dicoms.pattern((3, 40, 37), bits=12, signed=True), bits=12)
        dicoms.save(stack, folder / f"{name}-frames.dcm", syntax)
    whole = (folder / "explicit.dcm").read_bytes()
    for share in range(1, 40):
        (folder / f"cut-{share}").write_bytes(whole[: len(whole) * share // 40])
    rng = np.random.default_rng(0)
    for number in range(60):
        broken = bytearray(whole)
        for at in rng.integers(128, len(whole), 4):
            broken[at] = rng.integers(256)
        (folder / f"broken-{number}").write_bytes(broken)
    return folder


def by_pydicom(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return header_of(glance.glance_of(parse_header(path)), path.name)


def outcome(look, path):
    try:
        return look(path)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("folder", ["made", TESTED, SHARED], ids=str)
def test_headers_are_those_of_pydicom(folder, request):
    paths = files(request.getfixturevalue(folder) if folder == "made" else folder)
    if not paths:
        pytest.skip(f"{folder} is not here")
    quick = {path: outcome(glance._glanced, path) for path in paths}
    taken = [path for path, found in quick.items() if isinstance(found, glance.Glance)]
    assert len(taken) > 0.2 * len(paths)
    for path in taken:
        header = outcome(lambda path: header_of(quick[path], path.name), path)
        assert header == outcome(by_pydicom, path), path


@pytest.mark.parametrize("folder", ["made", TESTED, SHARED], ids=str)
def test_pixels_are_those_of_pydicom(folder, request):
    paths = files(request.getfixturevalue(folder) if folder == "made" else folder)
    if not paths:
        pytest.skip(f"{folder} is not here")
    headers = {path: read_header(path.parent, path.name) for path in paths}
    compared = 0
    for path in (path for path, header in headers.items() if isinstance(header, Header)):
        quick, slow = outcome(read._quickly, path), outcome(read._by_pydicom, path)
        if not isinstance(quick, read.Decoded) or not isinstance(slow, read.Decoded):
            assert quick is None or quick == slow, path
            continue
        compared += 1
        assert quick.words.dtype == slow.words.dtype, path
        np.testing.assert_array_equal(quick.words, slow.words, err_msg=str(path))
        one, other = (outcome(read.pixels_of, decoded) for decoded in (quick, slow))
        assert getattr(one, "digest", one) == getattr(other, "digest", other)
    assert compared > 10


def test_values_longer_than_what_is_looked_at_first(tmp_path):
    data = dicoms.image()
    data.add_new(0x00091001, "OB", bytes(200_000))
    path = dicoms.save(data, tmp_path / "a")
    assert header_of(glance._glanced(path), "a") == by_pydicom(path)


@pytest.fixture
def lossless():
    """A codestream of lossless JPEG, and the image in it."""
    imagecodecs = pytest.importorskip("imagecodecs")
    image = dicoms.pattern((19, 23), bits=12)
    return imagecodecs.ljpeg_encode(image, bitspersample=12), image


def encapsulated(path, codestream, image):
    data = dicoms.image(image, bits=12)
    data.PixelData = pydicom.encaps.encapsulate([codestream])
    data["PixelData"].VR = "OB"
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = uids.JPEGLosslessSV1
    data.save_as(path, enforce_file_format=True)
    return path


def test_lossless_jpeg_is_decoded_quickly(lossless, tmp_path):
    path = encapsulated(tmp_path / "a", *lossless)
    for look in (read._quickly, read._by_pydicom):
        np.testing.assert_array_equal(look(path).words[0], lossless[1])


def test_lossless_jpeg_of_other_kinds_is_left_to_other_decoders(lossless, tmp_path):
    codestream, image = lossless
    assert is_plain_lossless(codestream)
    scan = codestream.index(b"\xff\xda")
    end = scan + 2 + codestream[scan + 3]
    transformed = codestream[: end - 1] + b"\1" + codestream[end:]
    restarts = codestream[:2] + b"\xff\xdd\0\4\0\7" + codestream[2:]
    for other in (transformed, restarts, codestream[:scan], b"", codestream[:2]):
        assert not is_plain_lossless(other)
    assert read._quickly(encapsulated(tmp_path / "a", transformed, image)) is None


def test_a_damaged_codestream_is_an_error(lossless, tmp_path):
    codestream, image = lossless
    path = encapsulated(tmp_path / "a", codestream[: len(codestream) // 3], image)
    with pytest.raises(DataError):
        read.load(path)
