"""What is taken from the bytes of a file equals what pydicom makes of it."""

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import uid as uids
from pydicom.encaps import generate_frames

import dicoms
from derived import SYNTAXES, odd
from medclean.archive.dicom import glance, read
from medclean.archive.dicom.encapsulated import refuse_fewer
from medclean.archive.dicom.headers import Header, header_of, read_header
from medclean.archive.dicom.lossless import Scan
from medclean.archive.dicom.parse import parse_header
from medclean.archive.workers import Workers
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
        quick, slow = outcome(read.load_quickly, path), outcome(read.load_slowly, path)
        if not isinstance(quick, read.Decoded) or not isinstance(slow, read.Decoded):
            assert quick is None or quick == slow, path
            continue
        compared += 1
        assert quick.words.dtype == slow.words.dtype, path
        np.testing.assert_array_equal(quick.words, slow.words, err_msg=str(path))
        one, other = (outcome(read.pixels_of, decoded) for decoded in (quick, slow))
        assert getattr(one, "digest", one) == getattr(other, "digest", other)
    assert compared > 10


@pytest.mark.filterwarnings("ignore")
def test_frames_in_items_are_counted_as_pydicom_does():
    rng = np.random.default_rng(5)
    enough = 0
    for _ in range(500):
        frames, count = rng.integers(1, 4), rng.integers(1, 6)
        parts = [rng.bytes(2 * int(rng.integers(1, 8))) for _ in range(count)]
        parts = [part + b"\xff\xd9" if rng.random() < 0.7 else part for part in parts]
        starts = np.cumsum([0, *(len(part) + 8 for part in parts)])
        offsets = rng.choice(starts, min(rng.integers(0, 4), count), replace=False) + rng.integers(
            0, 2
        )
        items = [offsets.astype("<u4").tobytes() * rng.integers(0, 2), *parts]
        value = b"".join(b"\xfe\xff\0\xe0" + len(i).to_bytes(4, "little") + i for i in items)
        value = value[: rng.integers(len(items[0]) + 16, len(value) + 20)]
        found = outcome(lambda v, n=frames: len([*generate_frames(v, number_of_frames=n)]), value)
        told = outcome(lambda v, n=frames: refuse_fewer(v, frames=n), value)
        assert (told is None) == (isinstance(found, int) and found >= frames), (
            frames,
            items,
            value,
        )
        enough += told is None
    assert 100 < enough < 400


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
    for look in (read.load_quickly, read.load_slowly):
        np.testing.assert_array_equal(look(path).words[0], lossless[1])


def test_lossless_jpeg_of_other_kinds_is_left_to_other_decoders(lossless, tmp_path):
    codestream, image = lossless
    assert Scan.of(codestream).made(image)
    scan = codestream.index(b"\xff\xda")
    end = scan + 2 + codestream[scan + 3]
    transformed = codestream[: end - 1] + b"\1" + codestream[end:]
    restarts = codestream[:2] + b"\xff\xdd\0\4\0\7" + codestream[2:]
    for other in (transformed, restarts, codestream[:scan], b"", codestream[:2]):
        assert not Scan.of(other)
    assert read.load_quickly(encapsulated(tmp_path / "a", transformed, image)) is None


def test_the_bits_of_a_scan_are_counted_by_its_predictor():
    rng = np.random.default_rng(3)
    image = np.cumsum(rng.integers(-99, 99, (9, 11)), 1).astype(np.uint16) >> 4  # some wrap round
    a, b, c = (part.astype(int) for part in (image[1:, :-1], image[:-1, 1:], image[:-1, :-1]))
    inner = (a, b, c, a + b - c, a + (b - c >> 1), b + (a - c >> 1), a + b >> 1)
    for precision in (12, 16):
        for predictor, predicted in enumerate(inner, 1):
            scan = Scan(precision, predictor, (), b"")
            found = scan._differences(image)
            np.testing.assert_array_equal(found[1:, 1:], (image[1:, 1:] - predicted) % (1 << 16))
            assert found[0, 0] == (int(image[0, 0]) - (1 << precision - 1)) % (1 << 16)


def test_of_a_damaged_scan_no_other_image_is_made_than_pydicom_makes(tmp_path):
    imagecodecs = pytest.importorskip("imagecodecs")
    rng = np.random.default_rng(7)
    smooth = np.cumsum(rng.normal(0, 20, (24, 24)), 1) + 2000
    image = smooth.clip(0, 4095).astype(np.uint16)
    whole = imagecodecs.ljpeg_encode(image, bitspersample=12)
    alike = handed_over = 0
    with Workers(1, seconds=60) as workers:  # the usual decoder may end the process
        for number in range(400):
            codestream = bytearray(whole)
            at = int(rng.integers(2, len(whole)))
            match number % 4:
                case 0:
                    codestream[at] ^= 1 << rng.integers(8)
                case 1:
                    codestream[at] = rng.choice([0, 255, rng.integers(256)])
                case 2:
                    del codestream[at : at + rng.integers(1, 4)]
                case 3:
                    del codestream[at:]
            path = encapsulated(tmp_path / "a", bytes(codestream), image)
            quick = read.load_quickly(path)
            if quick is None:
                handed_over += 1
                continue
            slow = workers.submit(read.load_slowly, path).result()
            np.testing.assert_array_equal(quick.words, slow.words)
            alike += 1
    assert min(alike, handed_over) > 50


def test_a_damaged_codestream_is_an_error(lossless, tmp_path):
    codestream, image = lossless
    path = encapsulated(tmp_path / "a", codestream[: len(codestream) // 3], image)
    with pytest.raises(DataError):
        read.load(path)
