"""A run can be killed at any moment: what is there is whole, and the next start goes on."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from little_run import (
    FILES,
    SETTINGS,
    make_study,
    opened,
    read_manifest,
    stage,
    tree,
    turn,
    turn_series,
)
from medclean.archive.runs import Shard, default_out, manifest, moves, open_run, refuse_overlap
from medclean.archive.runs.tally import Outcome, tally
from medclean.errors import DataError, Exit, Stopped, UsageError, WriteError

SCRIPT = str(Path(__file__).with_name("little_run.py"))
OTHER = {"result": {"model": "mirrored"}, "form": {}}


@pytest.fixture
def place():
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # there, fsync takes no time
    with TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def study(place):
    return make_study(place / "study")


@pytest.fixture
def out(place):
    return place / "out"


@pytest.fixture
def full_disk(place):
    """A disk of 200 KB; a study fills it."""
    disk = place / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(disk)]
    if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no permission to mount a little disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def little_run(*words):
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, SCRIPT, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ)


def expect(run, study, *keys):
    for key in keys:
        run.expect(key, [f"{key}/{path.name}" for path in sorted((study / key).iterdir())])


def journal(out):
    return out / "medclean-run" / "journal.jsonl"


# Killed


def test_a_run_killed_at_any_call_goes_on_to_the_same_tree(place):
    study = make_study(place / "study", series=2)
    told = little_run("die-everywhere", study, place).communicate()[0]
    count, word = told.split()
    assert word == "kills"
    assert int(count) > 70


def test_a_run_killed_at_random_moments_goes_on_to_the_same_tree(place, out):
    study = make_study(place / "study", series=100)
    began = time.monotonic()
    assert little_run(study, place / "whole").wait() == 0
    duration, rng, killed = time.monotonic() - began, random.Random(7), 0
    for _ in range(10):
        process = little_run(study, out, *rng.choice([(), ("1/2",), ("2/2",), ("1/3",)]))
        time.sleep(rng.uniform(0.2, 0.6) * duration)
        process.kill()
        killed += process.wait() == -signal.SIGKILL
    assert killed
    assert "100 series done" in little_run(study, out).communicate()[0]
    assert tree(out) == tree(place / "whole")
    assert read_manifest(out)["inputs"] == read_manifest(place / "whole")["inputs"]


def test_shards_at_once_do_each_series_once(place, out):
    study = make_study(place / "study", series=10)
    shards = [little_run(study, out, f"{number}/4") for number in (1, 2, 3, 4)]
    lines = [shard.communicate()[0] for shard in shards]
    assert [shard.returncode for shard in shards] == [0] * 4
    assert lines[0].startswith("shard 1 of 4: 3 of 10 series; 3 series done, 0 skipped, 0 failed")
    manifests = [read_manifest(out, f"manifest-{number}-of-4.json") for number in (1, 2, 3, 4)]
    inputs = [line["path"] for part in manifests for line in part["inputs"]]
    assert sorted(inputs) == sorted(
        str(path.relative_to(study)) for path in study.rglob("*") if path.is_file()
    )
    before = journal(out).with_name("journal-1-of-4.jsonl").stat().st_mtime_ns
    assert turn(study, out).line.startswith("10 series done")  # a plain run finds it all done
    assert len(read_manifest(out)["inputs"]) == len(inputs)
    assert '"staged"' not in journal(out).read_text()
    assert journal(out).with_name("journal-1-of-4.jsonl").stat().st_mtime_ns == before
    turn(study, place / "whole")
    assert tree(out) == tree(place / "whole")


def test_a_shard_sees_the_same_division_when_more_has_arrived(study, out):
    with opened(out, shard=Shard(1, 2)) as run:
        run.divide(["b", "d"])
        assert run.owns("b")
    with opened(out, shard=Shard(2, 2)) as run:
        run.divide(["a", "b", "c", "d"])
        assert (run.owns("b"), run.owns("d")) == (False, True)


def test_an_empty_shard_is_done_and_a_tree_without_images_is_not(place, study, out):
    assert turn(study, out, shard=Shard(4, 9)).exit == Exit.DONE
    nothing = make_study(place / "nothing", series=0)
    for part in (None, Shard(1, 2)):
        assert turn(nothing, out, shard=part).exit == Exit.NOTHING_TO_DO
    skipped = [Outcome("skipped", Exit.MISSING)]
    assert tally(skipped, out, shard=Shard(4, 9), total=3).exit == Exit.DONE
    assert tally(skipped, out, shard=Shard(4, 9), total=0).exit == Exit.MISSING


def test_a_commit_whose_files_were_lost_is_taken_back(study, out, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(moves, "prepare", lambda *_: None)
        patch.setattr(moves, "_sync", lambda *_: os.stat("/none"))
        with pytest.raises(WriteError):
            turn(study, out)
    assert len(tree(out)) == FILES  # renamed, but not done
    (out / "series-0" / "0.dcm").unlink()
    with opened(out):
        assert not tree(out)
    assert turn(study, out).line.startswith("3 series done")


# Found again


def test_what_is_done_is_left_alone_and_what_was_altered_is_redone(study, out):
    turn(study, out)
    whole = tree(out)
    times = {path: (out / path).stat().st_mtime_ns for path in whole}
    (out / "series-1" / "0.dcm").write_bytes(b"altered")
    (out / "series-2" / "1.dcm").unlink()
    assert turn(study, out).line.startswith("3 series done, 0 skipped, 0 failed: 9 files")
    assert tree(out) == whole
    for path, then in times.items():
        same = (out / path).stat().st_mtime_ns == then
        assert same == path.startswith("series-0")


def test_what_is_not_ours_is_left_and_that_series_fails(study, out):
    (out / "series-1").mkdir(parents=True)
    (out / "series-1" / "2.dcm").write_bytes(b"mine")
    with opened(out) as run:
        expect(run, study, "series-0", "series-1")
        turn_series(run, "series-0", study)
        with pytest.raises(DataError, match=r"series-1/2\.dcm in the output folder is not"):
            run.refuse_foreign("series-1", ["series-1/2.dcm"])
        with pytest.raises(
            DataError, match=r"series-1/2\.dcm in the output folder is not"
        ) as caught:
            turn_series(run, "series-1", study)
        run.fail("series-1", str(caught.value))
        assert run.finish().exit == Exit.PARTIAL
    assert (out / "series-1" / "2.dcm").read_bytes() == b"mine"
    assert len(tree(out)) == FILES + 1


def test_two_series_never_have_one_output(out):
    with opened(out) as run:
        for key in ("first", "second"):
            run.expect(key, [key])
            run.begin(key)
        run.commit("first", {"a": stage(run, "first", "a", b"first")})
        with pytest.raises(DataError, match="a in the output folder is not the output of this"):
            run.commit("second", {"a": stage(run, "second", "a", b"second")})
    for overwrite in (False, True):  # the first series is gone from the study
        with opened(out, overwrite=overwrite) as run:
            run.expect("second", ["second"])
            run.begin("second")
            staged = {"a": stage(run, "second", "a", b"second")}
            with nullcontext() if overwrite else pytest.raises(DataError, match="--overwrite"):
                run.commit("second", staged)
        assert (out / "a").read_bytes() == (b"second" if overwrite else b"first")


def test_a_series_that_loses_an_output_loses_all(out):
    with opened(out) as run:
        run.expect("first", ["a", "b"])
        run.begin("first")
        run.commit("first", {name: stage(run, "first", name, b"first") for name in "ab"})
    for overwrite in (True, False):
        with opened(out, overwrite=overwrite) as run:
            run.expect("second", ["a"])
            if not run.done("second"):
                run.begin("second")
                run.commit("second", {"a": stage(run, "second", "a", b"second")})
        assert [path.name for path in sorted(out.iterdir())] == ["a", "medclean-run"]
    with opened(out) as run:
        run.expect("first", ["a", "b"])
        assert not run.done("first")


def test_no_output_leaves_the_output_folder(study, out):
    out.mkdir()
    (out / "series-0").symlink_to(study)
    with opened(out) as run:
        expect(run, study, "series-0")
        with pytest.raises(DataError, match="leads out of the output"):
            turn_series(run, "series-0", study)
        assert run.staging("s", "medclean-run/mask-s-8x8.npy").parent.is_dir()
        run_folder = ("journal.jsonl", "kspace-a/b.npy", "mask-a.jsonl", "kspace-../a.npy")
        for path in ("../a", "/a", "", *(f"medclean-run/{name}" for name in run_folder)):
            with pytest.raises(UsageError, match="no place for an output"):
                run.staging("series-0", path)


def test_a_series_whose_sources_changed_is_redone_and_old_outputs_go(study, out):
    turn(study, out)
    (study / "series-0" / "1.dcm").rename(study / "series-0" / "9.dcm")
    (out / "series-1" / "0.dcm").write_bytes(b"altered")
    assert turn(study, out).exit == Exit.DONE
    assert sorted(os.listdir(out / "series-0")) == ["0.dcm", "2.dcm", "9.dcm"]


def test_staged_files_count_by_hash_on_the_same_machine_only(study, out):
    with opened(out) as run:
        expect(run, study, "series-0")
        run.begin("series-0", machine={"device": "cpu", "shape": (1, 2)})
        for name in "012":
            stage(run, "series-0", f"series-0/{name}.dcm", b"content")
        staged = run.staging("series-0", "series-0/1.dcm")
    staged.write_bytes(b"altered")
    staged.with_name("2.dcm").unlink()
    with opened(out) as run:
        expect(run, study, "series-0")
        kept = run.begin("series-0", machine={"device": "cpu", "shape": (1, 2)})
        assert list(kept) == ["series-0/0.dcm"]
        assert not run.begin("series-0", machine={"device": "cuda"})
    assert not any(path.is_file() for path in (out / "medclean-run" / "staging").rglob("*"))


def test_a_rung_is_remembered_and_drops_what_is_staged(study, out):
    with opened(out) as run:
        expect(run, study, "series-0")
        run.begin("series-0")
        stage(run, "series-0", "series-0/0.dcm", b"content")
        assert run.rung("series-0") is None
        run.note_rung("series-0", 2)
        assert not run.begin("series-0")
    with opened(out) as run:
        assert run.rung("series-0") == 2


# Whose folder


def test_a_folder_belongs_to_one_command_and_its_settings(study, out):
    turn(study, out)
    told = "written with model 'turned', and this is model 'mirrored'; .*--overwrite"
    with pytest.raises(UsageError, match=told):
        turn(study, out, settings=OTHER)
    other = {"command": "undo", "settings": SETTINGS, "overwrite": True}
    with pytest.raises(UsageError, match="written by `medclean turn`"), open_run(out, **other):
        pass
    assert read_manifest(out)["command"] == "turn"


def test_a_setting_of_a_later_version_counts_as_its_default(study, out):
    """What was done before it was known is done, unless it is asked to be otherwise."""
    turn(study, out)
    before = tree(out)
    later = {"result": {**SETTINGS["result"], "sharpen": 0}, "form": {"seal": False}}
    how = {"settings": later, "defaults": {"sharpen": 0, "seal": False}}
    with opened(out, **how) as run:
        expect(run, study, "series-0", "series-1", "series-2")
        assert all(run.done(f"series-{number}") for number in range(3))
    assert turn(study, out, **how).done == 3
    assert tree(out) == before
    with pytest.raises(UsageError, match="written with seal False, and this is seal True"):
        turn(study, out, settings=later | {"form": {"seal": True}}, defaults=how["defaults"])


def test_a_folder_without_outputs_takes_other_settings(study, out):
    with opened(out) as run:
        expect(run, study, "series-0")
        run.begin("series-0")
        stage(run, "series-0", "series-0/0.dcm", b"as was asked first")
        run.fail("series-0", "what was asked first does not go")
    with opened(out, settings=OTHER) as run:
        expect(run, study, "series-0")
        assert not run.begin("series-0")
        turn_series(run, "series-0", study)
    with pytest.raises(UsageError, match="--overwrite"):
        turn(study, out)


def test_overwrite_redoes_what_is_ours(study, out):
    turn(study, out)
    times = {path: (out / path).stat().st_mtime_ns for path in tree(out)}
    with opened(out, settings=OTHER, overwrite=True) as run:
        expect(run, study, "series-0", "series-1")
        assert not run.done("series-0")
        turn_series(run, "series-0", study)
        assert run.done("series-0")
        assert run.finish(Exit.STOPPED).line.startswith("1 series done, 0 skipped, 0 failed, 1 st")
    assert turn(study, out, settings=OTHER).exit == Exit.DONE
    assert all((out / path).stat().st_mtime_ns != then for path, then in times.items())
    with pytest.raises(UsageError, match="--overwrite"):
        turn(study, out)


def test_a_setting_that_is_known_late_stays(study, out):
    for value, overwrite in (("a", False), ("a", False), ("b", True)):
        with opened(out, overwrite=overwrite) as run:
            run.pin("weights for MR", value)
    with opened(out) as run, pytest.raises(UsageError, match="belongs to weights for MR b, and"):
        run.pin("weights for MR", "a")


@pytest.mark.parametrize("words", [("in", "in"), ("in/a/b", "in"), ("link", "in"), ("in", "in/a")])
def test_an_output_never_meets_its_input(place, words):
    (place / "in" / "a").mkdir(parents=True)
    (place / "link").symlink_to(place / "in" / "a")
    with pytest.raises(UsageError, match="give another -o"):
        refuse_overlap(place / words[0], [place / words[1]])


def test_an_output_may_lie_beside_its_input(place, study):
    refuse_overlap(place / "study-dgan", [study, study / "notes.txt"])
    with pytest.raises(UsageError, match="where the input"):
        refuse_overlap(study, [study / "notes.txt"])


@pytest.mark.parametrize(
    ("study", "model", "changed", "expected"),
    [
        ("/data/study", "dgan", {}, "/data/study-dgan"),
        ("/data/study/", "nlm:sigma=0.1", {"sigma": 0.1}, "/data/study-nlm-3b22ab"),
        ("/data/brain.nii.gz", "runs/best.safetensors", {}, "/data/brain-best"),
        ("/data/1.2.840.5", "runs/mine.v2/", {}, "/data/1.2.840.5-mine.v2"),
    ],
)
def test_the_default_output_lies_beside_the_study(study, model, changed, expected):
    assert str(default_out(Path(study), model, changed)) == expected


def test_the_default_output_of_here_and_of_the_root(place, monkeypatch):
    monkeypatch.chdir(place)
    assert default_out(Path(), "dgan", {}) == Path(f"{Path.cwd()}-dgan")
    with pytest.raises(UsageError, match="-o"):
        default_out(Path("/"), "dgan", {})


# What is told


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], Exit.NOTHING_TO_DO),
        (["skip"], Exit.NOTHING_TO_DO),
        (["skip", Exit.MISSING], Exit.MISSING),
        (["done", "skip", Exit.MISSING], Exit.DONE),
        (["done"], Exit.DONE),
        (["done", "fail", Exit.BAD_DATA], Exit.PARTIAL),
        (["fail", Exit.BAD_DATA], Exit.BAD_DATA),
        (["input"], Exit.BAD_DATA),
        (["done", "input"], Exit.PARTIAL),
        (["done", "fail", Exit.MISSING], Exit.MISSING),
        (["done", "fail", Exit.GATE_CROSSED, "fail", Exit.BAD_DATA], Exit.GATE_CROSSED),
        (["gaps"], Exit.PARTIAL),
        (["fail", Exit.BUG, "stop", Exit.STOPPED], Exit.STOPPED),
    ],
)
def test_status_last_line_and_manifest_agree(study, out, outcomes, expected):
    words, stopped = iter(outcomes), Exit.DONE
    with opened(out) as run:
        for number, word in enumerate(words):
            key = f"series-{number}"
            if word in ("done", "gaps", "fail", "skip"):
                run.expect(key, [key])
            if word in ("done", "gaps"):
                run.begin(key)
                status = Exit.PARTIAL if word == "gaps" else Exit.DONE
                run.commit(key, {key: stage(run, key, key, b"")}, status=status)
            elif word == "fail":
                run.fail(key, "truncated", status=next(words))
            elif word == "skip":
                run.skip(key, "localizer", otherwise=next(words, Exit.NOTHING_TO_DO))
            elif word == "input":
                run.input("broken.dcm", "failed", "cannot be parsed")
            else:
                stopped = next(words)
        ended = run.finish(stopped)
    told = read_manifest(out)
    assert ended.exit == told["tally"]["exit"] == expected
    assert ended.line == told["tally"]["line"]
    for status in ("done", "skipped", "failed"):
        series = sum(line["status"] == status for line in told["series"])
        loose = sum(line["status"] == status and not line["series"] for line in told["inputs"])
        assert f"{series + loose * (status == 'failed')} " in ended.line
    assert "Traceback" not in ended.line


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Stopped("stopped", Exit.STOPPED), Exit.STOPPED),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (ZeroDivisionError(), Exit.BUG),
        (UsageError("no"), Exit.USAGE),
    ],
)
def test_however_a_run_ends_the_manifest_tells(study, out, error, status):
    def fail():
        with opened(out) as run:
            expect(run, study, "series-0", "series-1")
            turn_series(run, "series-0", study)
            raise error

    with pytest.raises(type(error)):
        fail()
    told = read_manifest(out)
    assert told["tally"]["exit"] == status
    assert [line["status"] for line in told["series"]] == ["done", "pending"]
    assert [line["status"] for line in told["inputs"]] == ["done"] * FILES + ["pending"] * FILES
    assert not (out / "medclean-run" / "lock").exists()


def test_a_manifest_names_what_scripts_rely_on(study, out):
    facts = {"job": {"model": "turned"}, "versions": {"medclean": "1"}, "device": "cpu"}
    with opened(out, facts=facts | {"model": {"name": "turned"}}) as run:
        run.input("notes.txt", "skipped", "not DICOM")
        run.expect("series-0", ["series-0/0.dcm", "series-0/1.dcm"], modality="CT")
        run.begin("series-0")
        files = {
            path: stage(run, "series-0", path, b"") for path in ("series-0/0.dcm", "residual/0")
        }
        said = {"series-0/1.dcm": {"status": "failed", "reason": "truncated"}}
        run.commit("series-0", files, {"bias": float("nan")}, inputs=said)
    told = read_manifest(out)
    assert (told["format"], told["command"]) == (1, "turn")
    assert {name: told[name] for name in facts} == facts
    assert told["model"] == {"name": "turned"}
    assert told["series"][0].items() >= {"modality": "CT", "bias": None, "outputs": 2}.items()
    assert [(line["path"], line["status"], line["output"]) for line in told["inputs"]] == [
        ("notes.txt", "skipped", None),
        ("series-0/0.dcm", "done", "series-0/0.dcm"),
        ("series-0/1.dcm", "failed", None),
    ]
    assert told["inputs"][1]["sha256"] == files["series-0/0.dcm"]


def test_of_many_inputs_the_journal_tells(study, out, monkeypatch):
    monkeypatch.setattr(manifest, "MOST_INPUTS", 5)
    turn(study, out)
    told = read_manifest(out)
    assert (told["inputs"], told["inputs_in"]) == (None, "journal*.jsonl")
    lines = [json.loads(line) for line in journal(out).read_text().splitlines()]
    assert sum(line["kind"] == "input" for line in lines) == 3 * FILES + 1


def test_a_torn_line_is_ignored_and_damage_is_told(study, out):
    turn(study, out)
    whole = journal(out).read_bytes()
    journal(out).write_bytes(whole + b'{"kind":"inp')
    with opened(out) as run:
        assert not run.warnings
    lines = journal(out).read_bytes().splitlines(keepends=True)
    assert b"".join(lines).startswith(whole + b'{"kind":"run"')
    journal(out).write_bytes(b"".join([lines[0], b"\0\0damage\n", *lines[1:]]))
    with opened(out) as run:
        assert len(run.warnings) == 1
        assert "damaged" in run.warnings[0]
    assert turn(study, out).line.startswith("3 series done")
    assert journal(out).read_text(errors="replace").count('"begun"') == 3


def test_a_path_need_not_be_text(out):
    path = os.fsdecode(b"caf\xe9/\xff.dcm")
    with opened(out) as run:
        run.expect("series", [path])
        run.begin("series")
        run.commit("series", {path: stage(run, "series", path, b"content")})
    assert (out / path).read_bytes() == b"content"
    assert read_manifest(out)["inputs"][0]["output"] == path


def test_reports_name_series_by_a_keyed_hash(place, out):
    with opened(out) as run:
        label = run.label("series-0")
        stamp = run.stamp
    assert len(label) == 12
    assert (out / "medclean-run" / "secret").stat().st_mode & 0o777 == 0o600
    with opened(out) as run:
        assert (run.label("series-0"), run.stamp) == (label, stamp)
    (place / "key").write_bytes(b"k" * 16 + b"\n")
    with opened(place / "keyed", key=place / "key") as run:
        assert run.label("series-0") != label
    (place / "key").write_bytes(b"short")
    for name in ("key", "none"):
        with pytest.raises(UsageError, match=r"--key .* expected"), opened(out, key=place / name):
            pass


# The disk


def test_a_full_disk_gives_no_final_name_and_the_run_goes_on_later(place, full_disk):
    study, out = make_study(place / "study", series=40), full_disk / "out"
    with pytest.raises(WriteError, match=r"No space left on device; free space") as caught:
        turn(study, out)
    assert caught.value.status == Exit.CANNOT_WRITE
    counts = {len(list(folder.iterdir())) for folder in out.glob("series-*")}
    assert counts <= {0, FILES}
    assert 0 < len(tree(out)) < 40 * FILES
    resize = ["mount", "-o", "remount,size=10m", str(full_disk)]
    subprocess.run(resize, check=True)
    assert turn(study, out).line.startswith("40 series done, 0 skipped, 0 failed")
    turn(study, place / "whole")
    assert tree(out) == tree(place / "whole")


def test_a_disk_that_cannot_be_written_is_told(study, full_disk):
    out = full_disk / "out"
    turn(study, out)
    subprocess.run(["mount", "-o", "remount,ro", str(full_disk)], check=True)
    for place in (out, full_disk / "new"):
        with pytest.raises(WriteError, match=r"cannot write .*Read-only file system; .* -o"):
            turn(study, place)
