"""``--copy-others``: what is not denoised goes along, byte by byte, and in one place."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time

import nibabel
import numpy as np
import pytest
from pydicom.uid import MediaStorageDirectoryStorage

import dicoms
from medclean.archive import copying
from medclean.errors import DataError, Exit, UsageError
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.pipelines.denoise import denoise


def run(study, out, model="identity", **settings):
    job = DenoiseJob((study,), model, out=out, copy_others=True, **settings)
    return denoise(job, Log(quiet=True))


def manifest(out, name="manifest.json"):
    return json.loads((out / "medclean-run" / name).read_text())


def tree(out):
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and "medclean-run" not in path.parts
    }


@pytest.fixture
def study(tmp_path):
    """A CT series, a scout and a spoilt file in its folder, notes, a DICOMDIR, an older run."""
    folder = tmp_path / "study"
    dicoms.series(folder / "ct", 2)
    scout = dicoms.image(series=9, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    dicoms.save(scout, folder / "ct" / "scout.dcm")
    (folder / "ct" / "spoilt.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    (folder / "notes.txt").write_text("not an image")
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "large.bin").write_bytes(os.urandom(3 << 20))
    (folder / "old" / "medclean-run").mkdir(parents=True)
    (folder / "old" / "medclean-run" / "journal.jsonl").write_text("")
    directory = dicoms.image(SOPClassUID=MediaStorageDirectoryStorage)
    dicoms.save(directory, folder / "DICOMDIR")
    return folder


COPIED = {"ct/scout.dcm", "notes.txt", "deep/er/large.bin"}


def test_what_is_skipped_is_copied_and_what_failed_is_not(study, tmp_path):
    out = tmp_path / "out"
    done = run(study, out)
    assert (done.exit, done.done, done.failed, done.copied) == (Exit.PARTIAL, 1, 1, 3)
    assert "2 files and 3 copied in out" in done.line
    copies = tree(out)
    assert copies.keys() == COPIED | {"ct/0001.dcm", "ct/0002.dcm"}
    assert all(copies[path] == (study / path).read_bytes() for path in COPIED)
    lines = {line["path"]: line for line in manifest(out)["inputs"]}
    assert len(lines) == 8
    assert {path for path, line in lines.items() if line["status"] == "skipped"} == {
        *COPIED,
        "DICOMDIR",
        "old/medclean-run/journal.jsonl",
    }
    assert all(lines[path]["output"] == path and lines[path]["sha256"] for path in COPIED)
    assert lines["DICOMDIR"]["output"] is None
    assert lines["DICOMDIR"]["reason"].endswith("; not copied")
    assert [series["status"] for series in manifest(out)["series"]] == ["done"]


def test_a_second_start_verifies_copies_by_hash(study, tmp_path):
    out = tmp_path / "out"
    run(study, out)
    before, told = tree(out), manifest(out)["inputs"]
    times = {path: (out / path).stat().st_mtime_ns for path in COPIED}
    (out / "notes.txt").write_text("altered!????")
    (out / "ct" / "scout.dcm").unlink()
    assert run(study, out).copied == 3
    assert (tree(out), manifest(out)["inputs"]) == (before, told)
    assert (out / "deep/er/large.bin").stat().st_mtime_ns == times["deep/er/large.bin"]
    (study / "notes.txt").write_text("another text")
    (study / "deep" / "er" / "large.bin").unlink()
    (study / "deep" / "er" / "small.bin").write_text("")
    run(study, out)
    assert (out / "notes.txt").read_text() == "another text"
    assert not (out / "deep/er/large.bin").exists()
    assert (out / "deep/er/small.bin").exists()


def test_it_is_a_setting_that_an_output_belongs_to(study, tmp_path):
    run(study, tmp_path / "out")
    with pytest.raises(UsageError, match="copy_others"):
        denoise(DenoiseJob((study,), "identity", out=tmp_path / "out"), Log(quiet=True))


def test_each_file_is_copied_by_one_shard(study, tmp_path):
    run(study, tmp_path / "whole")
    parts = [run(study, tmp_path / "parts", shard=f"{i}/2") for i in (1, 2)]
    assert tree(tmp_path / "parts") == tree(tmp_path / "whole")
    assert sum(part.copied for part in parts) == 3
    manifests = [manifest(tmp_path / "parts", f"manifest-{i}-of-2.json") for i in (1, 2)]
    paths = [line["path"] for told in manifests for line in told["inputs"]]
    assert sorted(paths) == sorted(line["path"] for line in manifest(tmp_path / "whole")["inputs"])


def test_a_series_that_is_not_for_the_model_is_copied(tmp_path):
    study = tmp_path / "study"
    dicoms.series(study / "ct", 2)
    done = run(study, tmp_path / "out", "dgan")
    assert (done.exit, done.skipped, done.copied) == (Exit.MISSING, 1, 2)
    assert tree(tmp_path / "out") == tree(study)
    (series,) = manifest(tmp_path / "out")["series"]
    lines = manifest(tmp_path / "out")["inputs"]
    assert {line["series"] for line in lines} == {series["series"]}
    assert {(line["status"], line["output"]) for line in lines} == {
        ("skipped", "ct/0001.dcm"),
        ("skipped", "ct/0002.dcm"),
    }


def test_a_sidecar_goes_once_with_its_image_or_without(tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    for name in ("a", "b"):
        image = nibabel.Nifti1Image(np.ones((4, 5, 6), np.int16), np.eye(4))
        (study / f"{name}.nii.gz").write_bytes(gzip.compress(image.to_bytes()))
        (study / f"{name}.json").write_text("{}")
    done = run(study, tmp_path / "out", exclude=("path~^b",))
    assert (done.files, done.copied) == (2, 2)
    assert tree(tmp_path / "out").keys() == {"a.nii.gz", "a.json", "b.nii.gz", "b.json"}


def test_another_selection_never_replaces_what_is_derived(tmp_path):
    study, out = tmp_path / "study", tmp_path / "out"
    dicoms.series(study / "ct", 2)
    dicoms.series(study / "mr", 2, series=2, modality="MR")
    assert run(study, out, select=("Modality=CT",)).copied == 2
    ours = {path: content for path, content in tree(out).items() if path.startswith("ct")}
    done = run(study, out, select=("Modality=MR",))
    assert (done.exit, done.done, done.copied) == (Exit.DONE, 1, 0)
    assert ours.items() <= tree(out).items()
    assert all(b"medclean" in content for content in tree(out).values())
    assert run(study, out).done == 2


def test_what_lies_there_already_is_not_written_over(study, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("somebody's own")
    done = run(study, out)
    assert (done.exit, done.failed, done.copied) == (Exit.PARTIAL, 2, 2)
    assert (out / "notes.txt").read_text() == "somebody's own"


def test_a_file_whose_name_is_taken_fails_alone_until_it_is_free(study, tmp_path):
    out = tmp_path / "out"
    (study / "letter.txt").write_text("not an image either")
    (out / "deep").mkdir(parents=True)
    (out / "notes.txt").write_text("somebody's own")
    for _ in range(2):
        done = run(study, out)
        assert (done.exit, done.failed, done.copied) == (Exit.PARTIAL, 2, 3)
        assert (out / "letter.txt").read_text() == "not an image either"
        assert (out / "notes.txt").read_text() == "somebody's own"
        lines = {line["path"]: line for line in manifest(out)["inputs"]}
        assert (lines["letter.txt"]["status"], lines["notes.txt"]["status"]) == (
            "skipped",
            "failed",
        )
        assert "notes.txt in the output folder" in lines["notes.txt"]["reason"]
    (out / "notes.txt").unlink()
    times = (out / "letter.txt").stat().st_mtime_ns
    for _ in range(2):
        done = run(study, out)
        assert (done.failed, done.copied) == (1, 4)  # the spoilt image
        assert (out / "letter.txt").stat().st_mtime_ns == times
    assert tree(out)["notes.txt"] == b"not an image"
    assert {line["path"]: line for line in manifest(out)["inputs"]}["notes.txt"]["output"]
    (study / "notes.txt").write_text("another text")
    assert run(study, out).copied == 4
    assert tree(out)["notes.txt"] == b"another text"


@pytest.mark.usefixtures("no_processes")
def test_a_file_that_cannot_be_read_fails_alone(study, tmp_path, monkeypatch):
    (study / "deep" / "er" / "small.bin").write_text("readable")
    whole = copying.copy

    def copy(root, path, to):
        if path.endswith("large.bin"):
            raise DataError("took longer than 1 s")
        return whole(root, path, to)

    monkeypatch.setattr(copying, "copy", copy)
    done = run(study, tmp_path / "out")
    assert (done.exit, done.failed, done.copied) == (Exit.PARTIAL, 2, 3)
    assert COPIED - tree(tmp_path / "out").keys() == {"deep/er/large.bin"}
    lines = {line["path"]: line for line in manifest(tmp_path / "out")["inputs"]}
    assert lines["deep/er/large.bin"]["reason"] == (
        "not copied: deep/er/large.bin took longer than 1 s"
    )
    monkeypatch.setattr(copying, "copy", whole)
    assert run(study, tmp_path / "out").copied == 4
    assert tree(tmp_path / "out").keys() >= COPIED


def test_a_stop_between_copies_can_go_on(study, tmp_path):
    out = tmp_path / "out"
    for number in range(30):
        (study / "deep" / f"{number}.bin").write_bytes(os.urandom(1 << 14))
    words = [sys.executable, "-m", "medclean", "denoise", study, "-o", out, "--model", "identity"]
    process = subprocess.Popen([*words, "--copy-others"], stderr=subprocess.DEVNULL)
    journal = out / "medclean-run" / "journal.jsonl"
    while not (journal.exists() and '"deep/' in journal.read_text().partition('"staged"')[2]):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert run(study, out).copied == 33
    run(study, tmp_path / "whole")
    assert tree(out) == tree(tmp_path / "whole")


def test_a_selection_that_changes_back_and_forth_loses_nothing(study, tmp_path):
    """A file that was copied, then derived, belongs to its series, whatever comes after."""
    dicoms.save(dicoms.image(series=5, modality="MR"), study / "mr.dcm")
    out, without = tmp_path / "out", {"exclude": ("path~mr",)}
    assert run(study, out, "gaussian", **without).copied == 4
    derived = run(study, out, "gaussian")
    assert (derived.copied, derived.failed) == (3, 1)
    made = tree(out)
    run(study, out, "gaussian", **without)
    assert tree(out) == made
    again = run(study, out, "gaussian", overwrite=True)
    assert (again.copied, again.failed) == (3, 1)
    assert tree(out) == made


def test_a_copy_that_would_meet_a_residual_is_refused_before_anything_is_written(study, tmp_path):
    (study / "residual" / "ct").mkdir(parents=True)
    (study / "residual" / "ct" / "0001.dcm").write_text("not an image")
    with pytest.raises(UsageError, match=r"would both need residual/ct/0001\.dcm"):
        run(study, tmp_path / "out", residual=True)
    assert not tree(tmp_path / "out")


def test_what_was_done_before_stays_on_record_when_less_is_selected(study, tmp_path):
    dicoms.save(dicoms.image(series=5, modality="MR"), study / "mr.dcm")
    out = tmp_path / "out"
    for select in ((), ("Modality=MR",)):
        job = DenoiseJob((study,), "gaussian", out=out, select=select)
        denoise(job, Log(quiet=True))
        lines = {line["path"]: line for line in manifest(out)["inputs"]}
        for path in ("ct/0001.dcm", "mr.dcm"):
            assert (lines[path]["status"], lines[path]["output"]) == ("done", path)
        assert lines["notes.txt"]["status"] == "skipped"


def test_what_only_a_link_leads_to_is_not_copied(study, tmp_path):
    """A study with a link to ``/etc`` shall not carry that away."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "shadow").write_text("secret")
    (study / "out").symlink_to(tmp_path / "elsewhere")
    (study / "within.txt").symlink_to(study / "notes.txt")
    run(study, tmp_path / "copies")
    assert not (tmp_path / "copies" / "out").exists()
    reasons = {line["path"]: line["reason"] for line in manifest(tmp_path / "copies")["inputs"]}
    assert reasons["out/shadow"].endswith("; not copied")
    assert (tmp_path / "copies" / "within.txt").is_file()
