"""Files that mean harm: each ends in a line of the record, and whatever is beside it is done."""

import json
import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data.data_manager import DATA_ROOT
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

import dicoms
import hostile_files as hostile
import watched
from medclean.archive.dicom.headers import Header, read_header
from medclean.archive.dicom.parse import one_reason
from medclean.archive.dicom.read import load, pixels_of
from medclean.archive.limits import Limits, Size, limited, limits
from medclean.archive.workers import Workers
from medclean.errors import DataError, UsageError

GIB = 1 << 30
HANGS = """
import sys, time
if sys.argv[:1] == ["-c"]:  # a worker
    import jpeg_ls
    jpeg_ls.decode_pixel_data = jpeg_ls.decode_from_buffer = lambda *_, **__: time.sleep(600)
"""


def denoise(folder, *more, seconds, **env):
    """Denoise ``folder/study``, with a working and a temporary folder that should stay empty."""
    for name in ("here", "temporary"):
        (folder / name).mkdir()
    words = ("denoise", folder / "study", "-o", folder / "out", "--model", "identity")
    places = {"TMPDIR": str(folder / "temporary"), **env}
    return watched.medclean(*words, *more, cwd=folder / "here", seconds=seconds, env=places)


def contents(folder):
    """SHA-256 of all files by path."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).digest() for path in files}


def inputs(folder):
    manifest = json.loads((folder / "out/medclean-run/manifest.json").read_text())
    listed = [entry["path"] for entry in manifest["inputs"]]
    assert len(listed) == len(set(listed))
    return {entry["path"]: entry for entry in manifest["inputs"]}


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A study of all hostile files and a good series, denoised: folder, end, hashes before."""
    folder = tmp_path_factory.mktemp("hostile")
    hostile.make(folder / "study")
    dicoms.series(folder / "study/good", 3)
    before = contents(folder / "study")
    how = ("--include", "all", "--limits", "memory=3GiB,seconds=60")
    return folder, denoise(folder, *how, seconds=120), before


def test_the_run_ends_in_partial_and_shows_no_bug(ended):
    _, end, _ = ended
    assert end.status == 8, end.text
    assert "bug" not in end.text
    assert "Traceback" not in end.text


@pytest.mark.parametrize("name", hostile.study(), ids=lambda name: ascii(name)[1:24])
def test_each_file_ends_in_one_line(ended, name):
    found = inputs(ended[0])[name]
    expected = hostile.study()[name]
    assert found["status"] == expected.status, found
    assert re.search(expected.reason, found["reason"] or ""), found
    assert "\n" not in (found["reason"] or "")


def test_the_good_series_beside_them_is_done(ended):
    folder, _, _ = ended
    for source in (folder / "study/good").iterdir():
        derived = dcmread(folder / "out/good" / source.name)
        assert np.array_equal(derived.pixel_array, dcmread(source).pixel_array)


def test_sources_stay_and_nothing_is_outside_the_output(ended):
    folder, _, before = ended
    assert contents(folder / "study") == before
    assert {path.name for path in folder.iterdir()} == {"study", "out", "here", "temporary"}
    assert [path.name for path in (folder / "here").iterdir()] == ["text"]
    assert not list((folder / "temporary").iterdir())
    done = {path for path, entry in inputs(folder).items() if entry["status"] == "done"}
    written = {path for path in contents(folder / "out") if not path.startswith("medclean-run/")}
    assert {path for path in written if not path.endswith(".json")} == done


def test_memory_is_bounded(ended):
    assert ended[1].peak < 4 * GIB  # two workers within 3 GiB each of addresses


def test_a_decoder_that_hangs_fails_its_series_only(tmp_path):
    dicoms.series(tmp_path / "study/good", 2)
    dicoms.series(tmp_path / "study/hangs", 1, series=2, syntax=JPEGLSLossless)
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(HANGS)
    import medclean

    path = f"{tmp_path / 'site'}:{medclean.__path__[0]}/.."
    end = denoise(tmp_path, seconds=60, MEDCLEAN_LIMITS="seconds=3", PYTHONPATH=path)
    assert end.status == 8, end.text
    found = inputs(tmp_path)
    assert "longer than 3 s" in found["hangs/0001.dcm"]["reason"]
    assert found["good/0001.dcm"]["status"] == found["good/0002.dcm"]["status"] == "done"


def test_limits_are_set_by_name_and_hold_in_workers(tmp_path):
    path = dicoms.save(dicoms.image(), tmp_path / "a.dcm")
    with limited(Limits.of("pixels=2KiB")):
        assert limits().pixels == 2048
        with Workers(1) as workers:
            found = workers.submit(read_header, tmp_path, path.name).result()
            with pytest.raises(DataError, match=r"limit is 2KiB, --limits pixels=\.\.\. raises it"):
                workers.submit(load, path).result()
        assert "2KiB" in found.broken
    assert found.broken == ""
    assert limits() == Limits()


@pytest.mark.parametrize(
    "text", ["pixels", "pixels=many", "frames=0", "nesting=400", "memory=1GiB", "depth=3"]
)
def test_limits_that_make_no_sense_are_refused(text):
    with pytest.raises(UsageError, match="limits"):
        Limits.of(text)


@pytest.mark.parametrize("text", ["0", "1000", "3KiB", "256MiB", "6GiB"])
def test_sizes_are_shown_as_they_are_written(text):
    assert str(Size(text)) == text


@pytest.mark.parametrize(
    "count", [300, pytest.param(6000, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_damaged_files_are_read_or_refused(tmp_path, count):
    """Bytes changed, cut out, put in: a Header, LeftOut, Pixels or DataError, and nothing else."""
    bases = [path.read_bytes() for path in valid_files(tmp_path)]
    paths = []
    for seed in range(count):
        paths.append(tmp_path / f"{seed:05}")
        paths[-1].write_bytes(damaged(bases[seed % len(bases)], seed))
    odd, lost = [], 0
    with Workers(2, seconds=30) as workers:
        for path, task in workers.map(outcome, paths):
            try:
                if (found := task.result()) not in ("left out", "refused", "read"):
                    odd.append((path.name, found))
            except DataError:  # its own worker died of it, as codecs do
                lost += 1
    assert not odd
    assert lost < count / 50


def outcome(path):
    """What becomes of a file; runs in a worker."""
    try:
        found = read_header(path.parent, path.name)
        if not isinstance(found, Header):
            return "left out"
        pixels_of(load(path), tiles=found.tiles)
        return "read"
    except DataError:
        return "refused"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize(
    ("name", "instead", "bug"),
    [
        ("pixels._native", None, TypeError),
        ("read.header_of", None, TypeError),
        ("headers.Header", lambda **_: _ours("gone"), NameError),
        ("headers.Header", lambda **_: _ours("None.gone"), AttributeError),
    ],
)
def test_a_bug_of_ours_is_no_damage(tmp_path, monkeypatch, name, instead, bug):
    path = dicoms.save(dicoms.image(), tmp_path / "a.dcm")
    monkeypatch.setattr(f"medclean.archive.dicom.{name}", instead)
    with pytest.raises(bug):
        load(path)


def _ours(line):
    """A line as if it stood in a module of ours."""
    return eval(line, {"__name__": "medclean.a_module"})


@pytest.mark.parametrize("error", ["b''[3]", "int('x')", "{}['key']", "1 / 0"])
def test_in_our_own_lines_only_values_are_damage(error):
    with pytest.raises(DataError, match="is it damaged"), one_reason("cannot be parsed"):
        _ours(error)


def test_whatever_pydicom_raises_is_damage(tmp_path):
    with pytest.raises(DataError, match="TypeError"), one_reason("cannot be parsed"):
        dcmread(5)


def valid_files(folder):
    """Thirty valid files: our own of several encodings, and small ones of pydicom's."""
    syntaxes = (None, RLELossless, JPEG2000Lossless, JPEGLSLossless)
    own = [
        dicoms.save(
            dicoms.image(modality=modality, private=True),
            folder / f"{modality}-{number}.dcm",
            *([syntax] if syntax else []),
        )
        for number, syntax in enumerate(syntaxes)
        for modality in ("CT", "MR")
    ]
    theirs = sorted(Path(DATA_ROOT, "test_files").glob("*.dcm"))
    small = [path for path in theirs if path.stat().st_size < 100_000]
    return own + small[:: max(1, len(small) // 22)][:22]


def damaged(content, seed):
    """The bytes with some changed, cut out or put in, mostly near their beginning."""
    draw = np.random.default_rng(seed)
    changed = bytearray(content)
    for _ in range(draw.integers(1, 6)):
        within = len(changed) if draw.random() < 0.3 else min(len(changed), 2000)
        at = int(draw.integers(0, max(within, 1)))
        match draw.integers(0, 5):
            case 0:
                changed[at : at + 1] = draw.bytes(1)
            case 1:
                changed[at : at + 4] = b"\xff\xff\xff\xff"
            case 2:
                del changed[at : at + int(draw.integers(1, 20))]
            case 3:
                changed[at:at] = draw.bytes(int(draw.integers(1, 20)))
            case 4:
                changed[at : at + 2] = b"SQ"
    return bytes(changed[: int(draw.integers(1, len(changed)))] if seed % 10 == 0 else changed)
