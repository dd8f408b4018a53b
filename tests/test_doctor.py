"""What medclean says about the machine."""

import json
from concurrent.futures import Future

import pytest

from medclean import checkpoints, cli
from medclean.archive.workers import Workers
from medclean.errors import Exit
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
        (finding,) = doctor._seen(doctor.compute, future)
    assert (finding.what, finding.state, bool(finding.mend)) == ("compute", "missing", True)


def test_a_library_that_cannot_be_imported_is_a_finding():
    future = Future()
    future.set_exception(ImportError("libfoo.so.3: cannot open shared object file"))
    (finding,) = doctor._seen(doctor.codecs, future)
    assert "libfoo.so.3" in finding.found


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


@pytest.mark.parametrize(
    ("state", "status"), [("ok", Exit.DONE), ("note", Exit.DONE), ("missing", Exit.MISSING)]
)
def test_the_status_says_whether_something_is_missing(monkeypatch, capsys, state, status):
    finding = Finding("RLE", state, "no decoder", "install one")
    monkeypatch.setattr(doctor, "doctor", lambda: [finding])
    assert cli.doctor(json=True) == status
    told = json.loads(capsys.readouterr().out)
    assert told == {"healthy": not status, "findings": [finding._asdict()]}
    assert cli.doctor(json=False) == status
    assert "to mend it: install one" in capsys.readouterr().out
