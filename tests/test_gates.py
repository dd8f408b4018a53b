"""``denoise --fail-on``: what crosses a limit is not written, and what became of it is told."""

import json
import os
import signal

import numpy as np
import pytest
from typer.testing import CliRunner

import dicoms
import phantoms
from medclean.archive.runs.journal import lines, segments
from medclean.cli import app
from medclean.cli._safety import table
from medclean.errors import Exit, Stopped, UsageError
from medclean.inference.denoiser import Denoiser
from medclean.inference.engine import Engine
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.pipelines.denoise import denoise
from medclean.pipelines.dry_run import dry_run
from medclean.quality.figures import Figures, Place
from medclean.quality.limits import judged

SLICES = 4


def run(study, out, model="median", **settings):
    return denoise(DenoiseJob((study,), model, out=out, **settings), Log(quiet=True))


def manifest(out):
    return json.loads((out / "medclean-run" / "manifest.json").read_text())


def series(out):
    return {one["modality"]: one for one in manifest(out)["series"]}


def outputs(out):
    paths = (path.relative_to(out) for path in out.rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if path.parts[0] != "medclean-run")


@pytest.fixture
def study(tmp_path):
    """A noisy CT and a noisy MR series."""
    for number, (kind, intercept) in enumerate((("CT", -1024), ("MR", 0)), start=1):
        images = phantoms.noisy(phantoms.clean(kind, SLICES, 96), kind)
        for place, image in enumerate(images, start=1):
            stored = np.rint(image - intercept).clip(0, 4095).astype(np.uint16)
            how = {"modality": kind, "series": number, "number": place, "bits": 12}
            made = dicoms.image(stored, intercept=str(intercept), **how)
            dicoms.save(made, tmp_path / "study" / kind / f"{place}.dcm")
    return tmp_path / "study"


@pytest.fixture
def shifted(monkeypatch):
    """A model that adds 8 to whatever it is for; computed here, not in workers."""
    whole = Engine.denoise
    monkeypatch.setattr(Denoiser, "filter", None)
    monkeypatch.setattr(Engine, "denoise", lambda *given: whole(*given) + np.float32(8))


def test_what_crosses_a_limit_is_not_written_and_stops_no_other(study, tmp_path, shifted):
    out = tmp_path / "out"
    done = run(study, out, "nlm", fail_on="bias=5HU,bias=9%")
    assert (done.exit, done.done, done.failed) == (Exit.GATE_CROSSED, 1, 1)
    assert outputs(out) == [f"MR/{n}.dcm" for n in range(1, SLICES + 1)]
    assert not [path for path in out.glob("medclean-run/staging/**/*") if path.is_file()]
    ct, mr = series(out)["CT"], series(out)["MR"]
    assert (ct["status"], mr["status"]) == ("failed", "done")
    assert ct["reason"].startswith("bias is ")
    assert "HU, above 5 HU" in ct["reason"]
    assert ct["safety"]["bias"]["value"] == pytest.approx(8, abs=1)
    assert (ct["safety"]["verdict"], mr["safety"]["crossed"]) == ("red", [])
    inputs = {line["path"]: line for line in manifest(out)["inputs"]}
    assert (inputs["CT/1.dcm"]["status"], inputs["CT/1.dcm"]["output"]) == ("failed", None)
    told = [line for part in segments(out / "medclean-run") for line in lines(part, print)]
    assert [line["reason"] for line in told if line["kind"] == "failed"] == [ct["reason"]]
    assert "--keep-failed writes it" in ct["reason"]


def test_what_crossed_a_limit_is_not_computed_again_until_something_changes(
    study, tmp_path, shifted, monkeypatch
):
    out, how = tmp_path / "out", {"fail_on": "bias=5HU,bias=9%"}
    run(study, out, "nlm", **how)
    before, count = series(out), []
    whole = Engine.denoise
    monkeypatch.setattr(Engine, "denoise", lambda *given: (count.append(1), whole(*given))[1])
    again = run(study, out, "nlm", **how)
    assert (again.exit, again.done, again.failed, count) == (Exit.GATE_CROSSED, 1, 1, [])
    assert series(out) == before
    foreseen = dry_run(DenoiseJob((study,), "nlm", out=out, dry_run=True, **how), Log(quiet=True))
    assert {row.modality: row.will for row in foreseen.series} == {"CT": "fail", "MR": "done"}
    assert foreseen.exit == Exit.GATE_CROSSED
    run(study, out, "nlm", overwrite=True, **how)
    assert len(count) == 2  # series, of a batch each
    count.clear()
    (study / "CT" / f"{SLICES}.dcm").unlink()  # another series now
    assert run(study, out, "nlm", **how).exit == Exit.GATE_CROSSED
    assert len(count) == 1


def test_a_limit_that_cannot_be_judged_is_crossed(study, tmp_path, monkeypatch):
    monkeypatch.setattr("medclean.quality.safety.LEAST", 2)  # no body is that sure
    out = tmp_path / "out"
    done = run(study, out, fail_on="bias=5HU")
    assert (done.exit, done.done, done.failed) == (Exit.GATE_CROSSED, 1, 1)
    assert "bias=5HU cannot be judged" in series(out)["CT"]["reason"]
    assert "--keep-failed writes it" in series(out)["CT"]["reason"]
    kept = run(study, tmp_path / "kept", fail_on="bias=5HU", keep_failed=True)
    assert (kept.exit, kept.done) == (Exit.GATE_CROSSED, 2)


def test_what_is_kept_has_failed_all_the_same(study, tmp_path):
    out = tmp_path / "out"
    how = {"fail_on": "edges=0.9", "keep_failed": True}
    done = run(study, out, "gaussian:sigma=2", **how)
    assert (done.exit, done.done, done.failed) == (Exit.GATE_CROSSED, 2, 0)
    assert len(outputs(out)) == 2 * SLICES
    assert "below 0.9" in series(out)["MR"]["safety"]["crossed"][0]
    assert run(study, out, "gaussian:sigma=2", **how).exit == Exit.GATE_CROSSED
    with pytest.raises(UsageError, match="fail_on"):  # another kind of output folder
        run(study, out, "gaussian:sigma=2")


def test_what_an_earlier_run_kept_does_not_stay_where_a_limit_lets_nothing_be_written(
    study, tmp_path
):
    out, how = tmp_path / "out", {"fail_on": "edges=0.9"}
    run(study, out, "gaussian:sigma=2", keep_failed=True, residual=True, **how)
    changed = out / "MR" / "1.dcm"
    changed.write_bytes(changed.read_bytes() + b"\0\0")
    done = run(study, out, "gaussian:sigma=2", overwrite=True, **how)
    assert (done.exit, done.failed, done.files) == (Exit.GATE_CROSSED, 2, 0)
    assert outputs(out) == ["MR/1.dcm"]  # which is somebody else's now
    again = run(study, out, "gaussian:sigma=2", **how)
    assert (again.exit, again.failed) == (Exit.GATE_CROSSED, 2)


def test_scale_is_measured_where_no_model_asks_for_it(study, tmp_path):
    run(study, tmp_path / "a", "gaussian")
    assert run(study, tmp_path / "b", "nlm", fail_on="edges=0.5,spot=50").exit == Exit.DONE
    one, other = (series(tmp_path / name)["MR"]["scale"] for name in "ab")
    assert one == other > 100


def test_figures_do_not_depend_on_where_a_run_was_stopped(study, tmp_path, monkeypatch):
    monkeypatch.setattr(Denoiser, "filter", None)  # to be stopped at a slice
    run(study, tmp_path / "whole", batch=1)
    calls, whole = [], Engine.denoise

    def stopping(*given):
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return whole(*given)

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "denoise", stopping)
        with pytest.raises(Stopped):
            run(study, tmp_path / "out", batch=1)
    journal = (tmp_path / "out" / "medclean-run" / "journal.jsonl").read_text()
    assert journal.count('"kind":"staged"') == 2
    run(study, tmp_path / "out", batch=1)
    assert manifest(tmp_path / "out")["inputs"] == manifest(tmp_path / "whole")["inputs"]
    for kind, one in series(tmp_path / "whole").items():
        label = series(tmp_path / "out")[kind]["label"]
        assert series(tmp_path / "out")[kind] == one | {"label": label}
        assert one["safety"]["noise"]["value"] < 1


def test_identity_is_known_without_a_look(study, tmp_path, monkeypatch):
    monkeypatch.setattr("medclean.quality.safety.measure", None)
    out = tmp_path / "out"
    run(study, out, "identity", workers=1)
    assert {one["safety"]["verdict"] for one in series(out).values()} == {"green"}
    assert series(out)["CT"]["safety"]["noise"]["value"] == 1


@pytest.mark.parametrize(
    "wrong", ["edgs=1", "bias=5", "edges=0.9HU", "edges", "spot=x", "spot=1,spot=2"]
)
def test_limits_that_make_no_sense_are_refused_before_anything_is_written(study, tmp_path, wrong):
    with pytest.raises(UsageError, match=wrong.partition("=")[0]):
        run(study, tmp_path / "out", fail_on=wrong)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="fail-on"):
        DenoiseJob((study,), "median", keep_failed=True)


def test_the_summary_tells_the_worst_first(study, tmp_path):
    words = ["denoise", str(study), "-o", str(tmp_path / "out"), "--model", "gaussian:sigma=2"]
    done = CliRunner().invoke(app, [*words, "--fail-on", "edges=0.9"], standalone_mode=False)
    heading, first, *_, last = done.stdout.splitlines()
    assert heading.split() == ["series", "bias", "structure", "edges", "noise", "spot"]
    assert first.startswith("red ")
    assert done.stdout.count("edges are blurred") == 1
    assert "look at CT/" in done.stdout
    assert "unwritten  a limit of --fail-on is crossed" in done.stdout
    assert last.startswith("0 series done, 0 skipped, 2 failed")
    assert "\x1b" not in done.stdout
    words[3:4] = [str(tmp_path / "other"), "--json"]
    told = json.loads(CliRunner().invoke(app, words, standalone_mode=False).stdout)
    assert [one["edges"]["verdict"] for one in told["safety"]] == ["red", "red"]
    assert told["exit"] == 0


def row(number, status="done", **figures):
    about = {"label": f"{number:012x}", "modality": "CT", "status": status}
    return about | judged(Figures(**figures), "CT")


def wrong(number):
    """A series with all figures wrong, at the end of a long path."""
    at = dict.fromkeys(("bias", "edges", "spot"), Place("a" * 90 + "/end.dcm", 1234, 567, 890))
    figures = {"bias": -1234.5, "structure": 0.99, "edges": 0.1, "noise": 99.5, "spot": 1000.0}
    return row(number, "failed", **figures, at=at)


@pytest.mark.parametrize("many", [1, 5, 200])
def test_the_summary_fits_a_screen(many):
    for kinds in ([row, wrong], [wrong], [row]):
        said = table([kinds[n % len(kinds)](n) for n in range(many)])
        lines = said.splitlines()
        assert max(map(len, lines)) <= 80
        assert len(lines) <= 45
        some = kinds == [wrong] or (wrong in kinds and many > 1)
        assert said.count("CT numbers are shifted down") == some
        assert said.count("/end.dcm, frame 1235, row 567, column 890") == 3 * some


def test_many_series_take_few_lines(monkeypatch):
    many = [row(n) for n in range(500)]
    assert table(many) == "series     500 green; the manifest has them all"
    many += [row(999, bias=3.0), row(1000, edges=None, spot=20.0, at={"spot": Place("a.dcm", 0)})]
    _, first, second, third, *others = table(many).splitlines()
    assert first.startswith("red        CT 0000000003e8 ")
    assert first.split()[-3:] == ["-~", "1.00", "20.0!"]
    assert second.startswith("amber      CT 0000000003e7   3.00 HU~")
    assert third == "500 more   500 green; the manifest has them all"
    assert "-          cannot be measured: noise or background hides the body" in others
    assert others[-1].strip() == "look at a.dcm"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[31mred" in table(many)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in table(many)
    assert table([]) == ""


def test_a_sentence_names_a_series_once():
    """Though it says the same of several figures of it."""
    said = table([row(number, bias=None, edges=None) for number in range(3)])
    assert "and 2 more" not in said
    assert [said.count(f"CT {number:012x}") for number in range(3)] == [2, 2, 2]


def test_figures_are_the_same_wherever_a_filter_is_applied(study, tmp_path, monkeypatch):
    run(study, tmp_path / "workers")
    monkeypatch.setattr(Denoiser, "filter", None)
    run(study, tmp_path / "here")
    workers, here = series(tmp_path / "workers"), series(tmp_path / "here")
    assert {kind: one["safety"] for kind, one in workers.items()} == {
        kind: one["safety"] for kind, one in here.items()
    }
    assert workers["CT"]["safety"]["noise"]["value"] < 1
