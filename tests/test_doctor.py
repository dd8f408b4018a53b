"""What medclean says about the machine."""

import json
import shutil
from base64 import urlsafe_b64encode
from concurrent.futures import Future
from dataclasses import replace
from hashlib import sha256

import pytest
import torch
from torch.nn.functional import conv2d

from medclean import checkpoints, cli
from medclean.archive.workers import Workers
from medclean.errors import Exit, UsageError
from medclean.inference.constancy import built_in
from medclean.pipelines import doctor
from medclean.pipelines._codecs import SAMPLES
from medclean.pipelines.doctor import Finding


def test_every_compressed_syntax_has_a_decoder_that_works():
    assert {finding.state for finding in doctor.codecs()} == {"ok"}


def test_a_decoder_that_gives_other_pixels_does_not_count(monkeypatch):
    monkeypatch.setattr("medclean.pipelines._codecs._by_pydicom", lambda image, plugin: image)
    (working,) = SAMPLES[-1].decoders().values()
    assert working == []


def test_the_device_computes():
    assert [finding.what for finding in doctor.compute()] == ["device"]


def test_a_library_that_crashes_is_a_finding(monkeypatch, tmp_path):
    (tmp_path / "torch.py").write_text("import os\nos.abort()\n")
    monkeypatch.syspath_prepend(tmp_path)
    with Workers(1) as workers:
        future = workers.submit(doctor.compute)
        (finding,) = doctor._seen("compute", future)
    assert (finding.what, finding.state, bool(finding.mend)) == ("compute", "missing", True)


def test_a_library_that_cannot_be_imported_is_a_finding():
    future = Future()
    future.set_exception(ImportError("libfoo.so.3: cannot open shared object file"))
    (finding,) = doctor._seen("codecs", future)
    assert "libfoo.so.3" in finding.found


@pytest.mark.parametrize(
    ("name", "code", "state"),
    [("sound", "", "ok"), ("brittle", "raise OSError('libfoo.so.3')", "note")],
)
def test_an_extra_that_is_here_is_tried(monkeypatch, tmp_path, name, code, state):
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("medclean.pipelines.doctor.metadata.version", lambda name: "4.0")
    (finding,) = doctor.extra(name)
    assert (finding.what, finding.state) == (name, state)
    assert ("libfoo.so.3" in finding.found, bool(finding.mend)) == (bool(code), bool(code))


def test_an_extra_that_is_not_here_is_not_missed():
    assert doctor.extra("no_such_package") == []


@pytest.mark.parametrize(("content", "state"), [(b"weights", "ok"), (b"other", "missing")])
def test_weights_are_those_of_their_card(monkeypatch, tmp_path, content, state):
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    (tmp_path / "dgan-mr.safetensors").write_bytes(content)
    digest = "9b6b8d2b2c8f4f0a8b1c3b8f1c8c9f2d"
    card = checkpoints.Card("dgan", {}, "MR", sha256=digest)
    checkpoints.write_card(tmp_path / "dgan-mr.safetensors", card)
    monkeypatch.setattr(doctor, "sha256_of", lambda path: digest if content == b"weights" else "0")
    (finding,) = doctor.weights()
    assert finding.state == state


@pytest.mark.parametrize("stem", checkpoints.shipped())
def test_shipped_checkpoints_do_what_they_did(stem):
    (finding,) = doctor.constancy(stem, "cpu")
    assert finding.state == "ok"
    assert finding.figures.keys() == {"mean", "sd", "blocks"}


@pytest.mark.parametrize("factor", [1.001, float("nan")])
def test_sums_that_are_a_little_wrong_are_found(monkeypatch, factor):
    monkeypatch.setattr(torch.nn.functional, "conv2d", lambda *a: factor * conv2d(*a))
    (finding,) = doctor.constancy("dgan-mr", "cpu")
    assert (finding.state, bool(finding.mend)) == ("missing", True)


def test_other_weights_are_found_though_their_hash_is_right(monkeypatch, tmp_path):
    model, card, _ = checkpoints.load("dgan", "MR")
    with torch.no_grad():
        model.generator.leave.weight *= 1.01
    checkpoints.save(tmp_path / "dgan-mr.safetensors", model, card)
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    assert [finding.state for finding in doctor.weights()] == ["ok"]
    (finding,) = doctor.constancy("dgan-mr", "cpu")
    assert finding.state == "missing"


def flipped(path, at):
    """A file with another lowest bit of one byte."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.fixture
def copied(monkeypatch, tmp_path):
    """A folder with a copy of what is shipped, in its place."""
    shutil.copytree(checkpoints.SHIPPED, tmp_path / "weights")
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path / "weights")
    return tmp_path / "weights"


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: flipped(folder / "dgan-mr.safetensors", 3),
        lambda folder: flipped(folder / "dgan-mr.safetensors", -1),
        lambda folder: flipped(folder / "dgan-mr.json", 0),  # "z" in the place of "{"
        lambda folder: flipped(folder / "dgan-mr.json", 5),  # of "model"
        lambda folder: flipped(folder / "dgan-mr.json", 14),  # of "dgan"
        lambda folder: (folder / "dgan-mr.json").unlink(),
        lambda folder: (folder / "dgan-mr.safetensors").unlink(),
    ],
)
@pytest.mark.usefixtures("no_processes")
def test_one_bit_is_found_and_all_else_is_told_too(monkeypatch, copied, damage):
    monkeypatch.setattr(doctor, "codecs", doctor.disk)  # which takes no time
    damage(copied)
    found = doctor.doctor(("cpu",))
    assert "missing" in {finding.state for finding in found if "dgan-mr" in finding.what}
    assert {"python", "device", "dcm2niix", "disk"} <= {finding.what for finding in found}


@pytest.mark.parametrize(("damage", "state"), [(False, "ok"), (True, "missing")])
def test_files_that_are_not_as_they_were_installed_are_found(monkeypatch, copied, damage, state):
    lines = []
    for path in copied.iterdir():
        digest = urlsafe_b64encode(sha256(path.read_bytes()).digest()).rstrip(b"=").decode()
        lines.append(f"weights/{path.name},sha256={digest},{path.stat().st_size}")
    info = copied.parent / "medclean-0.1.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("\n".join([*lines, "medclean-0.1.dist-info/RECORD,,"]))
    (info / "METADATA").write_text("Name: medclean\nVersion: 0.1\n")
    monkeypatch.syspath_prepend(copied.parent)
    if damage:
        flipped(copied / "dgan-mr.json", (copied / "dgan-mr.json").read_bytes().index(b"Apache"))
    (finding,) = doctor.files()
    assert (finding.state, bool(finding.mend)) == (state, damage)
    assert ("weights/dgan-mr.json" in finding.found) == damage


def test_a_word_that_is_no_device_is_a_wrong_request():
    with pytest.raises(UsageError, match="no device 'gpu'"):
        doctor.doctor(("gpu",))


def test_a_card_without_values_is_no_failure(monkeypatch, tmp_path):
    model, card, _ = checkpoints.load("dgan", "MR")
    checkpoints.save(tmp_path / "dgan-mr.safetensors", model, replace(card, constancy={}))
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    assert [finding.state for finding in doctor.constancy("dgan-mr", "cpu")] == ["note"]


@pytest.mark.parametrize("modality", ["MR", "CT", "PT"])
def test_the_built_in_slice_is_the_same_everywhere(modality):
    image, given = built_in(modality)
    shares = (image - (-1000 if modality == "CT" else 0)) / given.scale
    assert shares[[0, 40, 60, 119], [0, 60, 68, 135]] == pytest.approx(
        [0.0882026, 0.3117609, 0.4097306, -0.0037175], abs=1e-6
    )


def test_devices_of_the_self_test(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(doctor, "doctor", lambda devices: asked.append(devices) or [])
    for words in ({}, {"self_test": True}, {"self_test": True, "device": "cuda"}):
        cli.doctor(json=True, **words)
    assert asked == [(), ("cpu",), ("cpu", "cuda")]
    with pytest.raises(UsageError, match="add --self-test"):
        cli.doctor(device="cuda")


@pytest.mark.parametrize(
    ("state", "status"), [("ok", Exit.DONE), ("note", Exit.DONE), ("missing", Exit.MISSING)]
)
def test_the_status_says_whether_something_is_missing(monkeypatch, capsys, state, status):
    finding = Finding("RLE", state, "no decoder", "install one")
    monkeypatch.setattr(doctor, "doctor", lambda self_test: [finding])
    assert cli.doctor(json=True) == status
    told = json.loads(capsys.readouterr().out)
    assert told == {"healthy": not status, "findings": [finding._asdict()]}
    assert cli.doctor(json=False) == status
    assert "to mend it: install one" in capsys.readouterr().out
