"""Nothing that could tell whose images they are leaves them: no record, no line, no name."""

import json
import random
import struct
import sys

import nibabel
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    CTImageStorage,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from little_dataset import MODEL, write_image
from medclean import cli
from medclean.archive.workers import Workers
from medclean.cli._boundary import explain
from medclean.errors import DataError, Exit
from medclean.inference.engine import Engine
from planted import Planting, left_behind

pytestmark = [
    pytest.mark.pages,
    pytest.mark.filterwarnings("ignore::UserWarning:pydicom"),  # of what is planted
]


@pytest.fixture
def planting():
    return Planting()


@pytest.fixture
def said(tmp_path, monkeypatch, capfd):
    """Run the program in this process; gives its status and all that it said or left behind."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("PYTHONWARNINGS", "default")
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(cli, "heed_signals", lambda: None)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["medclean", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        out = tmp_path / "out"
        return left.value.code, [*capfd.readouterr(), *left_behind(out, temporary)]

    return run


def cut(path, length):
    path.write_bytes(path.read_bytes()[:length])


def edit(path, **elements):
    data = dcmread(path)
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    data.save_as(path)


def overwrite(path, at, content):
    raw = bytearray(path.read_bytes())
    raw[at : at + len(content)] = content
    path.write_bytes(raw)


def half(path, planting):
    cut(path, path.stat().st_size - 500)


def in_header(path, planting):
    cut(path, 3000)


def in_meta(path, planting):
    cut(path, 200)


def garbage(path, planting):
    path.write_bytes(b"\0" * 128 + b"DICM" + str(planting.value("LO")).encode() * 40)


def pixels(path, planting):
    """Damage in the middle of a compressed image."""
    raw = path.read_bytes()
    overwrite(path, len(raw) - 600, random.Random(0).randbytes(400))


def item_tag(path, planting):
    """An identifier where the first item of a sequence should begin."""
    raw = path.read_bytes()
    at = raw.index(b"\x08\x00\x40\x11SQ")  # Referenced Image Sequence, which is looked into
    overwrite(path, raw.index(b"\xfe\xff\x00\xe0", at), planting.tag())


def lut(path, planting):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [2, 0, 16])
    item.add_new("LUTData", "OW", b"\0\0")  # one entry of two
    item.LUTExplanation, item.ModalityLUTType = planting.value("LO"), "HU"
    edit(path, ModalityLUTSequence=Sequence([item]))


def slope(path, planting):
    """A name that went into the wrong field."""
    name = str(planting.value("CS")).encode()
    raw = path.read_bytes()
    at = raw.index(b"\x28\0\x53\x10DS") + 6
    old = int.from_bytes(raw[at : at + 2], "little")
    path.write_bytes(raw[:at] + struct.pack("<H", len(name)) + name + raw[at + 2 + old :])


def syntax(path, planting):
    overwrite(
        path, path.read_bytes().index(b"1.2.840.10008.1.2.1\0"), planting.value("UI").encode()
    )


def zero_slope(path, planting):
    edit(path, RescaleSlope="0")


def rows(path, planting):
    edit(path, Rows=0)


def charset(path, planting):
    edit(path, SpecificCharacterSet=planting.value("CS"))


def meta_uids(path, planting):
    data = dcmread(path)
    data.file_meta.MediaStorageSOPInstanceUID = planting.value("UI")
    data.file_meta.MediaStorageSOPClassUID = planting.value("UI")
    data.save_as(path)


BAD = (half, in_header, in_meta, garbage, pixels, item_tag, lut, slope, syntax, zero_slope, rows)
ODD = (charset, meta_uids)  # read all the same
OTHERWISE = {"pixels": {"syntax": JPEGLSLossless}, "lut": {"modality": "MR"}}


@pytest.fixture
def study(tmp_path, planting):
    """A good series of each modality, one for each way to be odd or bad, and what is no image."""
    folder = tmp_path / "study"
    planting.series(folder / "ct", study=1)
    planting.series(folder / "mr", modality="MR", syntax=RLELossless)
    planting.series(folder / "pt", modality="PT", syntax=JPEG2000Lossless)
    planting.series(folder / "map", ImageType=["DERIVED", "PRIMARY", "MPR"])
    planting.series(folder / "sc", modality="SC")
    for damage in (*BAD, *ODD):
        name = damage.__name__
        how = {"every": 8, "ReferencedImageSequence": [reference()], **OTHERWISE.get(name, {})}
        damage(planting.series(folder / name, **how)[1], planting)
    (folder / "notes.txt").write_text(str(planting.value("LT")))
    return folder


def reference():
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, "1.2.3"
    return item


def outcomes(out):
    """Status by folder."""
    inputs = json.loads((out / "medclean-run" / "manifest.json").read_text())["inputs"]
    return {line["path"].split("/")[0]: line["status"] for line in inputs}


def test_no_outcome_names_anybody(study, tmp_path, planting, said):
    words = ["denoise", study, "-o", tmp_path / "out", "--model", "median"]
    status, texts = said(*words, "--json")
    assert planting.found_in(texts) == []
    bad = dict.fromkeys((damage.__name__ for damage in BAD), "failed")
    good = dict.fromkeys(("ct", "mr", "pt", *(damage.__name__ for damage in ODD)), "done")
    skipped = dict.fromkeys(("map", "sc", "notes.txt"), "skipped")
    assert (status, outcomes(tmp_path / "out")) == (Exit.PARTIAL, good | bad | skipped)
    one = dcmread(study / "ct" / "1.dcm")
    chosen = f"StudyInstanceUID={one.StudyInstanceUID},PatientID={one.PatientID}"
    for more in (
        ["--overwrite", "--allow-gaps", "--include", "all"],
        ["--overwrite", "--fail-fast"],
        ["--overwrite", "--residual", "--copy-others", "--exclude", chosen],
        ["--dry-run", "--select", chosen],
    ):
        _, texts = said(*words, *more)
        assert planting.found_in(texts) == []


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_bug_shows_no_values(tmp_path, planting, said, monkeypatch, debug):
    """Unless MEDCLEAN_DEBUG asks for them, and then on stderr alone."""
    planting.series(tmp_path / "study")
    name = str(planting.value("PN"))

    def broken(self, images, given):
        raise ValueError(f"bad patient {name}") from KeyError(name)

    monkeypatch.setattr(Engine, "denoise", broken)
    monkeypatch.setenv("MEDCLEAN_DEBUG", debug)
    words = ["denoise", tmp_path / "study", "-o", tmp_path / "out", "--model", "median"]
    status, (out, err, *left) = said(*words, "--ensemble")  # computed here, not in workers
    assert status == Exit.BUG
    assert "test_identifiers.py" in err
    assert planting.found_in([out, *left]) == []
    assert bool(planting.found_in([err])) == bool(debug)


def test_a_bug_in_a_worker_shows_no_values(planting, capsys):
    name = str(planting.value("PN"))
    with Workers(1) as workers, pytest.raises(KeyError) as caught:
        workers.submit(quoting, name).result()
    assert explain(caught.value) == Exit.BUG
    said = capsys.readouterr().err
    assert "in quoting" in said
    assert planting.found_in([said]) == []


def quoting(name):
    raise KeyError(name)


def test_the_search_finds_what_is_said(tmp_path, planting, said, monkeypatch):
    """Else the tests here would prove nothing: an error that quotes a tag is seen everywhere."""
    planting.series(tmp_path / "study")
    name = str(planting.value("PN"))

    def quotes(self, images, given):
        raise DataError(f"cannot denoise {name}")

    monkeypatch.setattr(Engine, "denoise", quotes)
    out = tmp_path / "out"
    words = ["denoise", tmp_path / "study", "-o", out, "--model", "median"]
    _, texts = said(*words, "--ensemble")  # computed here, not in workers
    assert name in planting.found_in(texts)
    assert name in planting.found_in([texts[1]])  # stderr
    for path in (out / "medclean-run").glob("*.json*"):
        assert name in planting.found_in([path.read_bytes()])
    (tmp_path / "tmp" / f"{name}.tmp").touch()
    assert name in planting.found_in(left_behind(tmp_path / "tmp"))


def test_an_output_that_cannot_be_written_names_nobody(tmp_path, planting, said, monkeypatch):
    def refused(*_):
        raise OSError(30, "Read-only file system")

    planting.series(tmp_path / "study")
    monkeypatch.setattr("os.fsync", refused)
    words = ["denoise", tmp_path / "study", "-o", tmp_path / "out", "--model", "median"]
    status, texts = said(*words)
    assert status == Exit.CANNOT_WRITE
    assert planting.found_in(texts) == []


def test_nifti_names_nobody(tmp_path, planting, said):
    study = tmp_path / "study"
    for name in ("good", "bad"):
        path = write_image(study / f"{name}.nii.gz")
        image = nibabel.load(path)
        image.header["descrip"] = planting.value("LO")
        image.header["aux_file"] = planting.value("LO")
        image.header["intent_name"] = planting.value("CS")
        comment = str(planting.value("LT")).encode()
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", comment))
        nibabel.Nifti1Image(np.asarray(image.dataobj), None, image.header).to_filename(path)
        facts = {
            "Modality": "MR",
            "PatientName": planting.value("PN"),
            "BodyPart": planting.value("CS"),
        }
        (study / f"{name}.json").write_text(json.dumps(facts))
    (study / "bad.json").write_text(f'{{"PatientName": {planting.value("PN")}')
    out = tmp_path / "out"
    status, texts = said("denoise", study, "-o", out, "--model", "median")
    sidecars = [path.read_bytes() for path in out.glob("*.json")]  # are copied with the images
    assert status == Exit.PARTIAL
    assert planting.found_in(text for text in texts if text not in sidecars) == []


@pytest.mark.slow
def test_training_names_nobody(tmp_path, planting, said):
    for number in range(4):
        planting.series(tmp_path / "images" / str(number), 3, stored=disc(), modality="MR")
    words = ["train", tmp_path / "images", "-o", tmp_path / "out", "--model", MODEL]
    steps = ["--steps", "2", "--every", "2", "--batch", "1", "--patch", "16", "--device", "cpu"]
    status, texts = said(*words, *steps)
    assert (status, planting.found_in(texts)) == (Exit.DONE, [])


def disc():
    """A smooth object on a dark ground, clean enough to train on."""
    row, column = np.mgrid[-1:1:48j, -1:1:48j]
    return (1000 * np.exp(-4 * (row**2 + column**2))).astype(np.uint16)
