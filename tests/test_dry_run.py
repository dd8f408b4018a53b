"""``--dry-run``: says what a run would do, ends as it would, and writes nothing."""

import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace

import pydicom
import pytest
from pydicom.encaps import generate_fragments
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless

import dicoms
from medclean.archive.runs.lock import hold
from medclean.cli._outlook import as_json, as_text
from medclean.errors import Exit, MissingError, UsageError, WriteError
from medclean.jobs.add_noise import AddNoiseJob
from medclean.jobs.denoise import DenoiseJob
from medclean.jobs.undersample import UndersampleJob
from medclean.log import Log, size
from medclean.pipelines.add_noise import add_noise
from medclean.pipelines.denoise import denoise
from medclean.pipelines.dry_run import dry_run
from medclean.pipelines.undersample import undersample


def look(study, out, model="identity", **settings):
    return dry_run(DenoiseJob((study,), model, out=out, **settings), Log(quiet=True))


def run(study, out, model="identity", **settings):
    return denoise(DenoiseJob((study,), model, out=out, **settings), Log(quiet=True))


def everything(folder):
    return sorted((str(p), p.stat().st_mtime_ns) for p in folder.rglob("*"))


def make(folder):
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "study"
    dicoms.series(folder / "ct", 3)
    dicoms.series(folder / "mr", 4, series=2, modality="MR", syntax=RLELossless)
    scout = dicoms.image(series=9, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    dicoms.save(scout, folder / "scout.dcm")
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_it_tells_all_and_writes_nothing(study, tmp_path):
    before = everything(tmp_path)
    outlook = look(study, tmp_path / "out", "dgan", copy_others=True)
    assert everything(tmp_path) == before
    ct, mr = outlook.series
    assert (ct.modality, ct.slices, ct.will, ct.weights) == ("CT", 3, "skip", None)
    assert (mr.modality, mr.slices, mr.shapes, mr.will) == ("MR", 4, ((37, 33),), "denoise")
    assert len(mr.weights) == 64
    assert "no weights of dgan for CT" in ct.reason
    assert (outlook.exit, outlook.copies) == (Exit.DONE, 5)
    told = json.loads(as_json(outlook))
    paths = [line["path"] for line in told["inputs"]]
    assert paths == sorted(str(p.relative_to(study)) for p in study.rglob("*") if p.is_file())
    assert {line["status"] for line in told["inputs"]} == {"skipped", "pending"}
    assert {line["series"] for line in told["inputs"]} == {ct.series, mr.series, None}
    assert told["estimate"]["seconds"]["likely"] > 0


def test_its_keys_and_counts_are_those_of_the_run(study, tmp_path):
    out = tmp_path / "out"
    outlook = look(study, out)
    done = run(study, out)
    told = json.loads((out / "medclean-run" / "manifest.json").read_text())
    assert {row.series for row in outlook.series} == {s["series"] for s in told["series"]}
    size = sum(p.stat().st_size for p in out.rglob("*.dcm"))
    assert outlook.disk.least * 0.5 < size <= outlook.disk.most
    again = look(study, out)
    assert [row.will for row in again.series] == ["done", "done"]
    assert [row.label for row in again.series] == [s["label"] for s in told["series"]]
    assert (again.effort, again.disk.most, again.exit) == (None, 0, done.exit)
    (out / "ct" / "0002.dcm").unlink()
    assert [row.will for row in look(study, out).series] == ["denoise", "done"]
    assert [row.will for row in look(study, out, overwrite=True).series] == ["denoise"] * 2


def test_it_ends_as_the_run_would(study, tmp_path):
    out = tmp_path / "out"
    bad = study / "ct" / "0002.dcm"
    bad.write_bytes(bad.read_bytes()[:-400])
    for place, settings in (
        (study, {}),
        (study, {"allow_gaps": True}),
        (study, {"select": ("Modality=PT",)}),
        (study / "ct", {}),
        (study / "ct", {"model": "dgan"}),
    ):
        foreseen = look(place, out, **settings)
        assert not out.exists()
        assert foreseen.exit == run(place, out, **settings).exit
        shutil.rmtree(out)
    (row,) = look(study / "ct", out).series
    assert row.will == "fail"
    assert "cut off" in row.reason


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def with_items(change):
    """A change of the items that compressed pixels lie in: the table of offsets, then fragments."""

    def damage(path):
        data = pydicom.dcmread(path)
        items = [*generate_fragments(data.PixelData)]
        data.PixelData = b"".join(
            b"\xfe\xff\x00\xe0" + len(item).to_bytes(4, "little") + item for item in change(items)
        )
        data.save_as(path)

    return damage


def with_element(**elements):
    def damage(path):
        data = pydicom.dcmread(path)
        data.update(elements)
        data.save_as(path)

    return damage


def of_a_syntax_without_decoder(path):
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.53"
    data.save_as(path)


@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "gaps"])
@pytest.mark.parametrize(
    ("syntax", "damage", "reason"),
    [
        (RLELossless, cut, "cut off"),
        (DeflatedExplicitVRLittleEndian, cut, "cut off"),
        (RLELossless, with_items(lambda items: [b"", *items[2:]]), "hold 2 of 3 frames"),
        (RLELossless, with_items(lambda items: [bytes(8), *items[1:]]), "hold 2 of 3 frames"),
        (RLELossless, of_a_syntax_without_decoder, "no decoder"),
        (ExplicitVRLittleEndian, with_element(RescaleSlope="0"), "Rescale Slope is 0"),
    ],
    ids=["cut", "deflated", "fragments", "offsets", "syntax", "slope"],
)
def test_what_shows_without_decoding_is_foreseen_in_the_words_of_the_run(
    tmp_path, syntax, damage, reason, gaps
):
    study, out = tmp_path / "study", tmp_path / "out"
    for number in (1, 2, 3):
        frames = dicoms.image(dicoms.pattern((3, 24, 20)), number=number)
        path = dicoms.save(frames, study / f"{number}.dcm", syntax)
    damage(path)
    foreseen = look(study, out, allow_gaps=gaps)
    ended = run(study, out, allow_gaps=gaps)
    told = json.loads((out / "medclean-run" / "manifest.json").read_text())
    found = {line["path"]: (line["status"], line["reason"]) for line in told["inputs"]}
    assert foreseen.exit == ended.exit == (Exit.PARTIAL if gaps else Exit.BAD_DATA)
    (line,) = (line for line in foreseen.inputs if line.path == path.name)
    assert (line.status, line.reason) == found[path.name]
    assert reason in line.reason


def test_what_was_done_before_keeps_its_status_and_copies_are_not_counted_again(study, tmp_path):
    out = tmp_path / "out"
    bad = study / "ct" / "0002.dcm"
    bad.write_bytes(bad.read_bytes()[:-400])
    asked = {"allow_gaps": True, "copy_others": True}
    assert look(study, out, **asked).copies == 2
    ended = run(study, out, **asked)
    again = look(study, out, **asked)
    assert ([row.will for row in again.series], again.copies) == (["done", "done"], 0)
    assert again.exit == ended.exit == run(study, out, **asked).exit == Exit.PARTIAL


def test_a_limit_that_only_the_run_can_judge_is_told(study, tmp_path):
    outlook = look(study, tmp_path / "out", "median", fail_on="edges=0.9")
    assert as_text(outlook).endswith("status 0, with 7 if a limit of --fail-on is crossed")
    assert not look(study, tmp_path / "out", "median").gates


def test_a_folder_that_a_job_holds_is_refused_and_not_touched(study, tmp_path):
    out = tmp_path / "out"
    with hold(make(out / "medclean-run"), None, "work", {}):
        before = everything(out)
        with pytest.raises(WriteError, match="is being written by"):
            look(study, out)
        assert everything(out) == before
    assert look(study, out).exit == Exit.DONE


def test_a_model_of_whole_series_is_tried_on_a_block(study, tmp_path, monkeypatch):
    pytest.importorskip("bm4d")
    voxels = 4 * 37 * 33
    monkeypatch.setattr("medclean.models.bm4d.BM4D.holds", 1 << 20)
    effort = look(study / "mr", tmp_path / "out", "bm4d").effort
    assert effort.seconds > 0
    assert voxels << 20 < effort.memory < (voxels << 20) + (4 << 30)


def test_what_a_run_refuses_is_refused(study, tmp_path):
    with pytest.raises(MissingError, match="medclean train --model rrg"):
        look(study, tmp_path / "out", "rrg")
    with pytest.raises(UsageError, match="lies inside the input"):
        look(study, study / "out")
    run(study / "ct", tmp_path / "out", "median")
    with pytest.raises(UsageError, match="--overwrite"):
        look(study / "ct", tmp_path / "out", "gaussian")


def test_shards_see_their_share(study, tmp_path):
    seen = [look(study, tmp_path / "out", shard=f"{i}/2") for i in (1, 2)]
    keys = [row.series for outlook in seen for row in outlook.series]
    assert sorted(keys) == sorted({row.series for row in look(study, tmp_path / "out").series})
    assert sorted(line.path for o in seen for line in o.inputs) == sorted(
        str(p.relative_to(study)) for p in study.rglob("*") if p.is_file()
    )


def test_a_full_disk_is_foreseen(study, tmp_path, monkeypatch, capsys):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage(1 << 30, 1 << 30, 1000))
    job = DenoiseJob((study,), "identity", out=tmp_path / "out")
    dry_run(job, Log())
    assert "outputs will not fit" in capsys.readouterr().err
    denoise(job, Log())
    assert "outputs will not fit" in capsys.readouterr().err
    denoise(job, Log())  # all of it is there
    assert "fit" not in capsys.readouterr().err


def test_a_person_reads_it_in_80_columns(study, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    outlook = look(study, tmp_path / "out", "dgan", exclude=("SeriesDescription~[a-c]{9}|/red",))
    text = as_text(outlook)
    assert max(map(len, text.splitlines())) <= 90
    assert "\x1b" not in text
    for told in ("1 series to denoise", "4 slices", "skip: no weights", "localizer", "status 0"):
        assert told in text
    chosen = look(study, tmp_path / "out", select=("SeriesDescription~[bold]nothing",))
    assert "'SeriesDescription~[bold]nothing'" in " ".join(as_text(chosen).split())


def looks_like_its_run(job, run, study, out):
    """What it foretells is what the run does, and nothing is written."""
    before = dry_run(job, Log(quiet=True))
    assert not out.exists()
    (done,) = [row for row in before.series if row.will == before.command]
    assert (done.modality, done.slices, before.effort) == ("MR", 4, None)
    ended = run(job, Log(quiet=True))
    assert (ended.exit, ended.done) == (before.exit, 1)
    again = dry_run(job, Log(quiet=True))
    assert sorted(row.will for row in again.series) == ["done", "skip"]
    return before


def test_noise_and_undersampling_are_foretold_too(study, tmp_path):
    out, sparse = tmp_path / "noisy", tmp_path / "sparse"
    noisy = AddNoiseJob((study,), out=out, noise=("rician:sigma=0.1",))
    foretold = looks_like_its_run(noisy, add_noise, study, out)
    assert "1 series to add noise to, 4 slices, into noisy" in as_text(foretold)
    sampled = UndersampleJob((study,), out=sparse, mask="radial:ratio=0.3")
    foretold = looks_like_its_run(sampled, undersample, study, sparse)
    assert json.loads(as_json(foretold))["command"] == "undersample"
    with pytest.raises(UsageError, match="was written with"):
        dry_run(replace(sampled, mask="radial:ratio=0.2"), Log(quiet=True))


def test_the_program(study, tmp_path):
    words = [sys.executable, "-m", "medclean", "denoise", study, "--model", "median", "--dry-run"]
    env = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == Exit.DONE
    assert done.stdout.startswith("series  modality  slices")
    assert [path.name for path in tmp_path.iterdir()] == ["study"]
    wrong = subprocess.run(
        [*words[:4], "--from-file", "-", "--model", "median", "--dry-run", "--json"],
        input=f"{study}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (wrong.returncode, wrong.stdout) == (Exit.USAGE, "")
    assert "say with -o where to write" in wrong.stderr


def test_times_for_people(study, tmp_path):
    outlook = look(study, tmp_path / "out", "median")
    times = {
        2.24: "2.2 s",
        58: "58 s",
        116.4: "116 s",
        366: "6.1 min",
        7100: "118 min",
        9e3: "2.5 h",
    }
    for seconds, told in times.items():
        foreseen = replace(outlook, effort=replace(outlook.effort, seconds=seconds))
        assert f"time    about {told} (" in as_text(foreseen)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (3.28e6, "3.28 MB")]
)
def test_bytes_for_people(count, text):
    assert size(count) == text
