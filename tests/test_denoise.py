"""``medclean denoise`` from the command line to the derived files."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from hashlib import sha256

import nibabel
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import JPEG2000Lossless, RLELossless

import dicoms
from medclean.archive.runs import Run
from medclean.errors import Exit, MissingError, UsageError, WriteError
from medclean.inference.denoiser import Denoiser
from medclean.inference.engine import Engine
from medclean.inference.ladder import OutOfMemory
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.models._base import Model
from medclean.models._filter import Filter
from medclean.pipelines.denoise import denoise
from medclean.pipelines.dry_run import dry_run


class Fragile(Filter):
    """A filter with a bug."""

    scope, receptive_field, wants_scale, code = "slice", 1, False, "113087"

    def denoise(self, images, given):
        if given.modality == "MR":
            raise ZeroDivisionError("a bug")
        return images


def run(study, out, model="identity", **settings):
    """Denoise in this process; returns the tally."""
    studies = study if isinstance(study, tuple) else (study,)
    return denoise(DenoiseJob(studies, model, out=out, **settings), Log(quiet=True))


def command(*words, **options):
    """The program itself, as a new process."""
    program = [sys.executable, "-m", "medclean", "denoise", *map(str, words)]
    return subprocess.run(program, capture_output=True, text=True, check=False, **options)


def manifest(out):
    return json.loads((out / "medclean-run" / "manifest.json").read_text())


def tree(out):
    """SHA-256 of all outputs by path."""
    paths = [path for path in out.rglob("*") if path.is_file()]
    outputs = [path for path in paths if "medclean-run" not in path.parts]
    return {str(p.relative_to(out)): sha256(p.read_bytes()).hexdigest() for p in outputs}


@pytest.fixture
def study(tmp_path):
    """A CT, an MR and a PET series in three encodings, and a file that is none of them."""
    folder = tmp_path / "study"
    dicoms.series(folder / "ct", 5, signed=True, bits=12, intercept="-1024", padding=-2048)
    dicoms.series(folder / "mr", 4, series=2, modality="MR", syntax=RLELossless, slope="7.839")
    dicoms.series(folder / "pt", 3, series=3, modality="PT", syntax=JPEG2000Lossless)
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.mark.parametrize("ensemble", [False, True])
def test_identity_keeps_every_pixel(study, tmp_path, ensemble):
    done = run(study, tmp_path / "out", ensemble=ensemble)
    assert (done.exit, done.done, done.files) == (Exit.DONE, 3, 12)
    for path in sorted(study.rglob("*.dcm")):
        source, derived = dcmread(path), dcmread(tmp_path / "out" / path.relative_to(study))
        np.testing.assert_array_equal(derived.pixel_array, source.pixel_array)
        assert derived.SOPInstanceUID != source.SOPInstanceUID
        assert derived.SeriesInstanceUID != source.SeriesInstanceUID
        assert derived.StudyInstanceUID == source.StudyInstanceUID
        assert derived.file_meta.TransferSyntaxUID == source.file_meta.TransferSyntaxUID


def test_every_input_is_accounted_for_once(study, tmp_path):
    run(study, tmp_path / "out")
    record = manifest(tmp_path / "out")
    files = sorted(str(path.relative_to(study)) for path in study.rglob("*") if path.is_file())
    assert [line["path"] for line in record["inputs"]] == files
    assert {
        line["path"]: line["reason"] for line in record["inputs"] if line["status"] != "done"
    } == {"notes.txt": "not DICOM"}
    assert record["tally"]["exit"] == 0


def test_localizers_that_images_refer_to_are_located(tmp_path):
    folder = tmp_path / "study"
    scout = dicoms.image(series=9, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    dicoms.save(scout, folder / "scout.dcm")
    image, reference = dicoms.image(series=1), Dataset()
    reference.ReferencedSOPClassUID = scout.SOPClassUID
    reference.ReferencedSOPInstanceUID = scout.SOPInstanceUID
    image.ReferencedImageSequence = [reference]
    dicoms.save(image, folder / "image.dcm")
    assert run(folder, tmp_path / "out").done == 1
    derived = dcmread(tmp_path / "out" / "image.dcm")
    found = {item.SeriesInstanceUID for item in derived.ReferencedSeriesSequence}
    assert found == {scout.SeriesInstanceUID, image.SeriesInstanceUID}


def test_filters_work_in_real_units_and_strength_blends(study, tmp_path):
    full, half, none = (tmp_path / name for name in ("full", "half", "none"))
    for out, strength in ((full, 1.0), (half, 0.5), (none, 0.0)):
        run(study, out, "gaussian:sigma=2", strength=strength)
    name = "mr/0002.dcm"
    source = dcmread(study / name)
    values = [dcmread(out / name).pixel_array.astype(int) for out in (full, half, none)]
    np.testing.assert_array_equal(values[2], source.pixel_array)
    assert np.abs(values[1] - (values[0] + source.pixel_array.astype(int)) / 2).max() <= 1
    assert values[0].std() < 0.5 * values[2].std()


def test_a_second_run_verifies_and_does_only_what_is_missing(study, tmp_path):
    out = tmp_path / "out"
    run(study, out, "median")
    before = tree(out)
    times = {path: (out / path).stat().st_mtime_ns for path in before}
    (out / "ct" / "0003.dcm").unlink()
    (out / "mr" / "0001.dcm").write_bytes(b"altered by somebody")
    again = run(study, out, "median")
    assert again.exit == Exit.DONE
    assert tree(out) == before
    assert (out / "pt" / "0001.dcm").stat().st_mtime_ns == times["pt/0001.dcm"]


def test_an_output_of_other_settings_is_refused(study, tmp_path):
    out = tmp_path / "out"
    run(study, out, "median")
    with pytest.raises(UsageError, match=r"median.*gaussian.*--overwrite"):
        run(study, out, "gaussian")
    before = tree(out)
    assert run(study, out, "gaussian", overwrite=True).exit == Exit.DONE
    assert tree(out).keys() == before.keys()
    assert tree(out) != before


def test_a_bad_file_fails_its_series_and_no_other(study, tmp_path):
    bad = study / "ct" / "0002.dcm"
    bad.write_bytes(bad.read_bytes()[:-400])
    out = tmp_path / "out"
    done = run(study, out)
    assert (done.exit, done.done, done.failed) == (Exit.PARTIAL, 2, 1)
    assert not (out / "ct").exists()
    reasons = {line["path"]: line["reason"] for line in manifest(out)["inputs"]}
    assert "cut off" in reasons["ct/0002.dcm"]
    assert "ct/0002.dcm" in reasons["ct/0001.dcm"]


@pytest.mark.parametrize("length", [400, 700, 900, 1200])
def test_a_file_cut_off_in_its_header_is_a_failure_and_no_gap(study, tmp_path, length, capsys):
    bad = study / "ct" / "0002.dcm"
    bad.write_bytes(bad.read_bytes()[:length])
    done = denoise(DenoiseJob((study,), "identity", out=tmp_path / "out"), Log())
    assert (done.exit, done.failed) == (Exit.PARTIAL, 1)
    assert "ct/0002.dcm" in capsys.readouterr().err


def test_gaps_can_be_allowed_and_show(study, tmp_path):
    whole, gaps = tmp_path / "whole", tmp_path / "gaps"
    run(study, whole)
    bad = study / "ct" / "0002.dcm"
    bad.write_bytes(bad.read_bytes()[:-400])
    done = run(study, gaps, allow_gaps=True)
    assert (done.exit, done.done) == (Exit.PARTIAL, 3)
    assert {path.name for path in (gaps / "ct").iterdir()} == {f"{n:04}.dcm" for n in (1, 3, 4, 5)}
    before, after = dcmread(whole / "ct" / "0001.dcm"), dcmread(gaps / "ct" / "0001.dcm")
    assert after.SeriesDescription.endswith(" INCOMPLETE")
    assert after.SeriesInstanceUID != before.SeriesInstanceUID
    assert after.SOPInstanceUID != before.SOPInstanceUID


def test_a_file_of_which_no_other_can_be_made_is_a_gap_too(study, tmp_path):
    """Its pixels are whole: what is broken lies behind them, or in a sequence."""
    behind, within = study / "ct" / "0002.dcm", study / "ct" / "0004.dcm"
    behind.write_bytes(behind.read_bytes() + b"no element")
    assert dcmread(behind).pixel_array.shape == dcmread(within).pixel_array.shape
    content, item = within.read_bytes(), b"\xfe\xff\x00\xe0\x90\x01\0\0"
    at = content.index(b"\x20\0\x0d\0UI")
    equipment = b"\x18\0\x01\xa0SQ\0\0\x0c\0\0\0" + item + b"few."
    within.write_bytes(content[:at] + equipment + content[at:])
    done = run(study, tmp_path / "out", allow_gaps=True)
    assert (done.exit, done.done) == (Exit.PARTIAL, 3)
    assert {path.name for path in (tmp_path / "out" / "ct").iterdir()} == {
        f"{number:04}.dcm" for number in (1, 3, 5)
    }


@pytest.mark.parametrize(("model", "folder"), [("identity", "ct"), ("dgan", "mr")])
def test_a_file_that_breaks_during_the_run_is_a_gap_too(
    study, tmp_path, model, folder, monkeypatch
):
    damaged = study / folder / "0004.dcm"
    whole, begin = damaged.read_bytes(), Run.begin

    def begin_and_break(run, key, **how):
        staged = begin(run, key, **how)
        damaged.write_bytes(whole[:-400])
        return staged

    monkeypatch.setattr(Run, "begin", begin_and_break)
    late, known = tmp_path / "late", tmp_path / "known"
    done = run(study / folder, late, model, allow_gaps=True)
    assert (done.exit, done.done) == (Exit.PARTIAL, 1)
    told = {line["path"]: line for line in manifest(late)["inputs"]}
    assert "cut off" in told["0004.dcm"]["reason"]
    monkeypatch.undo()
    run(study / folder, known, model, allow_gaps=True)
    assert tree(late) == tree(known)


def test_fail_fast_leaves_the_rest_for_later(study, tmp_path):
    bad = study / "ct" / "0002.dcm"
    bad.write_bytes(bad.read_bytes()[:-400])
    done = run(study, tmp_path / "out", fail_fast=True)
    assert (done.exit, done.done, done.failed, done.pending) == (Exit.PARTIAL, 0, 1, 2)
    assert "2 still to do" in done.line


def test_a_model_of_whole_series_gets_each_group_once(study, tmp_path, monkeypatch):
    shapes = []

    class Flips(Model):
        kind, scope, context, receptive_field, stride = "solver", "series", 1, None, 1
        in_units, wants_scale, code = True, False, "113087"

        def forward(self, images, given):
            shapes.append(tuple(images.shape))
            given.progress(0.5)
            return images.flip(0)

    denoiser = Denoiser("median", Flips(Model.Options()), {})
    monkeypatch.setattr(Denoiser, "of", lambda spec, force: denoiser)
    assert run(study, tmp_path / "out", "median", tile=32).exit == Exit.DONE
    assert sorted(shapes) == [(3, 37, 33), (4, 37, 33), (5, 37, 33)]
    first = dcmread(tmp_path / "out" / "mr" / "0001.dcm").pixel_array
    np.testing.assert_array_equal(first, dcmread(study / "mr" / "0004.dcm").pixel_array)


def test_of_what_failed_nobody_says_that_it_is_no_image(tmp_path, capsys):
    (tmp_path / "x.nii").write_bytes(b"garbage")
    job = DenoiseJob((tmp_path / "x.nii",), "identity", out=tmp_path / "out")
    assert denoise(job, Log()).exit == Exit.BAD_DATA
    said = capsys.readouterr().err
    assert "has no NIfTI header" in said
    assert "no image is left" not in said


def test_nothing_eligible_is_its_own_status(tmp_path):
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty", tmp_path / "out").exit == Exit.NOTHING_TO_DO


def test_requests_that_cannot_be_carried_out(study, tmp_path):
    pickle = tmp_path / "weights.pt"
    pickle.write_bytes(b"\x80\x04.")
    for words, hint in (
        ((study / "missing", "identity"), "does not exist"),
        ((study, "idenity"), "did you mean 'identity'"),
        ((study, "gaussian:sgma=1"), "did you mean 'sigma'"),
        ((study, str(pickle)), "never loaded"),
    ):
        with pytest.raises(UsageError, match=hint):
            run(words[0], tmp_path / "out", words[1])
    with pytest.raises(UsageError, match="lies inside the input"):
        run(study, study / "out")
    assert not (study / "out").exists()


def test_two_runs_cannot_share_an_output(study, tmp_path):
    from medclean.archive.runs import open_run

    with open_run(tmp_path / "out", command="denoise", settings={}), pytest.raises(WriteError):
        run(study, tmp_path / "out")


def test_out_of_memory_goes_down_the_ladder_and_is_remembered(study, tmp_path, monkeypatch):
    whole = Engine.denoise
    batches = []

    def small(self, images, given):
        batches.append(len(images))
        if len(images) > 1:
            raise OutOfMemory(str(self.rung))
        return whole(self, images, given)

    monkeypatch.setattr(Engine, "denoise", small)
    out, study = tmp_path / "out", study / "mr"
    assert run(study, out, "dgan", batch=4).exit == Exit.DONE
    journal = (out / "medclean-run" / "journal.jsonl").read_text()
    assert "out of memory" in journal
    assert "batch 4, whole slices" in journal
    for batch in (4, 1, 2):  # the step of before, wherever today's ladder begins
        batches.clear()
        (out / "0001.dcm").unlink()
        assert run(study, out, "dgan", batch=batch).exit == Exit.DONE
        assert set(batches) == {1}


def test_tiles_of_a_network_say_what_they_change(tmp_path):
    for number in (1, 2):
        slice_ = dicoms.pattern((300, 200), bits=12, seed=number)
        data = dicoms.image(slice_, modality="MR", bits=12, number=number)
        dicoms.save(data, tmp_path / "study" / f"{number}.dcm")
    assert run(tmp_path / "study", tmp_path / "out", "dgan", tile=160).exit == Exit.DONE
    (series,) = manifest(tmp_path / "out")["series"]
    assert 0 < series["tiles_differ"] < 1


def test_shards_together_equal_the_whole(study, tmp_path):
    run(study, tmp_path / "whole")
    lines = [run(study, tmp_path / "parts", shard=f"{i}/2").line for i in (1, 2)]
    assert tree(tmp_path / "parts") == tree(tmp_path / "whole")
    assert lines[0].startswith("shard 1 of 2: ")


def test_nifti_goes_the_same_way(tmp_path):
    study = tmp_path / "study"
    study.mkdir()
    values = dicoms.pattern((20, 24, 6), bits=12).astype(np.int16)
    nibabel.Nifti1Image(values, np.diag([-2, -2, 3, 1])).to_filename(study / "a.nii.gz")
    (study / "a.json").write_text('{"Modality": "MR"}')
    out = tmp_path / "out"
    done = run(study, out, "median", modality="MR")
    assert (done.exit, done.done) == (Exit.DONE, 1)
    derived = nibabel.load(out / "a.nii.gz")
    assert (out / "a.json").read_text() == (study / "a.json").read_text()
    assert derived.get_data_dtype() == np.int16
    assert np.asarray(derived.dataobj).std() < 0.8 * values.std()
    run(study, tmp_path / "same")
    same = np.asarray(nibabel.load(tmp_path / "same" / "a.nii.gz").dataobj)
    np.testing.assert_array_equal(same, values)


def test_what_is_of_no_use_to_nifti_is_said(tmp_path, capsys):
    volume = np.zeros((20, 24, 6), np.int16)
    nibabel.Nifti1Image(volume, np.eye(4)).to_filename(tmp_path / "a.nii")
    run(tmp_path / "a.nii", tmp_path / "out", syntax="rle", stamp=True, modality="MR")
    said = capsys.readouterr().err
    assert "--syntax, --stamp: of no use to 1 series of other formats than DICOM" in said


def test_the_record_holds_nothing_that_identifies(tmp_path):
    study, out = tmp_path / "study", tmp_path / "out"
    dicoms.series(study / "a", 2, planted=True, private=True)
    dicoms.series(study / "b", 2, series=2, planted=True)
    bad = study / "b" / "0001.dcm"
    bad.write_bytes(bad.read_bytes()[:-400])
    done = command(study, "-o", out, "--model", "median")
    assert done.returncode == Exit.PARTIAL
    said = done.stdout + done.stderr
    said += "".join(p.read_text() for p in (out / "medclean-run").iterdir() if p.is_file())
    assert not [text for text in dicoms.PLANTED if text in said]
    assert str(tmp_path) not in (out / "medclean-run" / "manifest.json").read_text()


def test_the_program_prints_results_on_stdout_alone(study, tmp_path):
    done = command(study, "-o", tmp_path / "out", "--model", "identity", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["done"] == 3
    wrong = command(tmp_path / "nowhere", "--model", "identity")
    assert (wrong.returncode, wrong.stdout) == (Exit.USAGE, "")
    assert wrong.stderr.startswith("medclean: error: ")
    assert wrong.stderr.count("\n") == 1


def long_study(folder):
    for number in (1, 2, 3):
        dicoms.series(folder / f"s{number}", 20, series=number)
    return folder


def test_sigterm_stops_where_the_run_can_go_on(tmp_path):
    study, out = long_study(tmp_path / "study"), tmp_path / "out"
    words = [sys.executable, "-m", "medclean", "denoise", study, "-o", out, "--model", "nlm"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    journal = out / "medclean-run" / "journal.jsonl"
    while not (journal.exists() and '"staged"' in journal.read_text()):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == Exit.STOPPED
    assert "run the same command again" in said
    assert manifest(out)["tally"]["exit"] == Exit.STOPPED
    assert run(study, out, "nlm").exit == Exit.DONE
    run(study, tmp_path / "whole", "nlm")
    assert tree(out) == tree(tmp_path / "whole")


@pytest.mark.slow
def test_ten_kills_at_any_moment_leave_the_same_tree(tmp_path):
    study, out, whole = long_study(tmp_path / "study"), tmp_path / "out", tmp_path / "whole"
    words = [sys.executable, "-m", "medclean", "denoise", study, "--model", "median", "-o"]
    start = time.monotonic()
    subprocess.run([*words, whole], check=True, capture_output=True)
    seconds = time.monotonic() - start
    rng, kills = random.Random(0), 0
    while kills < 10:
        process = subprocess.Popen([*words, out], stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(rng.uniform(0.3, 1) * seconds)
        kills += process.poll() is None
        os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
        process.wait()
        finals = {path.split("/")[0] for path in tree(out)}
        if process.returncode == 0:
            assert tree(out) == tree(whole)
            for path in finals:
                for file in (out / path).iterdir():
                    file.unlink()
    subprocess.run([*words, out], check=True, capture_output=True)
    assert tree(out) == tree(whole)


def test_a_network_without_weights_for_a_modality_is_a_reason_to_skip(study, tmp_path):
    done = run(study, tmp_path / "out", "dgan")
    assert (done.exit, done.done, done.skipped) == (Exit.DONE, 1, 2)
    reasons = {line["path"]: line["reason"] for line in manifest(tmp_path / "out")["inputs"]}
    assert "no weights of dgan for CT" in reasons["ct/0001.dcm"]
    assert run(study / "ct", tmp_path / "ct", "dgan").exit == Exit.MISSING
    assert run(study / "ct", tmp_path / "forced", "dgan", force=True).exit == Exit.DONE


@pytest.mark.parametrize(
    ("model", "taken", "why"),
    [
        ("tv:noise=rician", {"MR"}, "noise=rician is that of magnitude MR images, and these are"),
        ("tv:sigma=20HU", {"CT"}, "sigma is in HU, expected % or"),
        ("tv:sigma=2%", {"MR", "CT", "PT", ""}, None),
    ],
)
def test_noise_that_a_series_cannot_have_is_a_reason_to_skip(study, tmp_path, model, taken, why):
    volume = np.random.default_rng(0).normal(0, 500, (9, 8, 3)).astype(np.int16)  # a CT's, perhaps
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), study / "a.nii.gz")
    out = tmp_path / "out"
    foreseen = dry_run(DenoiseJob((study,), model, out=out), Log(quiet=True))
    assert (run(study, out, model).exit, foreseen.exit) == (Exit.DONE, Exit.DONE)
    assert {row.modality for row in foreseen.series if row.will == "denoise"} == taken
    assert all(why in row.reason for row in foreseen.series if row.will == "skip")
    inputs = {line["path"]: line for line in manifest(out)["inputs"]}
    for path in foreseen.inputs:
        done = "done" if path.status == "pending" else path.status
        assert (inputs[path.path]["status"], inputs[path.path]["reason"]) == (done, path.reason)


def test_rician_noise_is_none_of_phases(tmp_path):
    how = {"modality": "MR", "ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}
    dicoms.series(tmp_path / "study", 2, **how)
    done = run(tmp_path / "study", tmp_path / "out", "adf:noise=rician", include=("phase",))
    assert done.exit == Exit.NOTHING_TO_DO
    assert run(tmp_path / "study", tmp_path / "o", "adf", include=("phase",)).exit == Exit.DONE


def test_a_network_that_has_no_weights_at_all(study, tmp_path):
    with pytest.raises(MissingError, match="medclean train --model rrg"):
        run(study, tmp_path / "out", "rrg")


def test_a_bug_in_one_series_costs_no_other(study, tmp_path, monkeypatch):
    monkeypatch.setattr(
        Denoiser, "of", lambda spec, force: Denoiser("median", Fragile(Fragile.Options()), {})
    )
    with pytest.raises(ZeroDivisionError) as bug:
        run(study, tmp_path / "out", "median")
    assert "in denoise" in bug.value.__notes__[0]
    assert manifest(tmp_path / "out")["tally"]["exit"] == Exit.BUG
    assert {path.split("/")[0] for path in tree(tmp_path / "out")} == {"ct", "pt"}


def test_a_filter_gives_the_same_in_workers_and_in_an_engine(study, tmp_path, monkeypatch):
    workers, engine = tmp_path / "workers", tmp_path / "engine"
    run(study, workers, "nlm", strength=0.7)
    monkeypatch.setattr(Denoiser, "filter", None)
    run(study, engine, "nlm", strength=0.7)
    assert tree(workers) == tree(engine)


def test_files_that_are_staged_are_not_made_again(study, tmp_path):
    bad, out = study / "mr" / "0004.dcm", tmp_path / "out"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:-600] + bytes(600))  # as long as before, and no longer RLE
    assert run(study / "mr", out).exit == Exit.BAD_DATA
    journal = map(json.loads, (out / "medclean-run" / "journal.jsonl").read_text().splitlines())
    names = [line["path"] for line in journal if line["kind"] == "staged"]
    (folder,) = (out / "medclean-run" / "staging").iterdir()
    before = {name: (folder / name).stat().st_mtime_ns for name in names}
    bad.write_bytes(whole)
    assert run(study / "mr", out).exit == Exit.DONE
    assert before
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
