"""What a training run promises."""

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file

import little_dataset
from derived import Here
from little_dataset import job, make_dataset, write_image
from medclean import checkpoints
from medclean.archive.nifti.read import read_volume
from medclean.archive.runs.lock import hold
from medclean.catalog import SCHEDULES
from medclean.checkpoints import Card
from medclean.errors import (
    DataError,
    Exit,
    GateCrossed,
    MissingError,
    Stopped,
    UsageError,
    WriteError,
)
from medclean.inference.constancy import difference, reading
from medclean.jobs._setting import values
from medclean.jobs.denoise import DenoiseJob
from medclean.jobs.train import TrainJob
from medclean.learning.stepper import Stepper
from medclean.log import Log
from medclean.models.rrg import RRG
from medclean.pipelines._trained import each
from medclean.pipelines.denoise import denoise
from medclean.pipelines.train import train
from medclean.signals import Stop
from medclean.training import arrays, begin, cards, curves, record, state
from medclean.training.loop import Run
from medclean.training.machine import Machine, machine
from medclean.training.noise import Noise
from medclean.training.pairs import Pairing
from medclean.training.record import toml
from medclean.training.samples import Samples, batches
from medclean.training.slices import _pool_of, averaged, cached, clean_enough
from medclean.volume import Given, Volume
from tiny import TRAINABLE, tiny

CPU = Machine(torch.device("cpu"), precision="float32", workers=0)
QUIET = Log(quiet=True)
pytestmark = pytest.mark.usefixtures("no_processes")
PRESETS = Path(checkpoints.__file__).parent / "presets"
GIVEN = Given("au", 200.0, (1.0, 1.0, 1.0), "MR")


@pytest.fixture(scope="module", autouse=True)
def cheap():
    """Threads would wait for each other longer than they compute on images this small.

    BM3D takes longer than all else of such a run.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CPUS_PER_TASK", "1")
        patch.setattr("medclean.training.cards.RIVALS", ("nlm",))
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("dataset"))


@pytest.fixture
def no_curves(monkeypatch):
    """Drawing takes longer than these runs."""
    monkeypatch.setattr("medclean.training.curves.draw", lambda rows, title: b"")
    monkeypatch.setattr("medclean.training.pictures.grid", lambda examples, title: b"")


@pytest.fixture(scope="module")
def unbroken(dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    train(job(dataset, out), QUIET)
    return out


def weights(run):
    """All that a run would go on from."""
    row = json.loads((run / "state" / "state.json").read_text())
    return load_file(run / "state" / row["file"])


def assert_same(run, other):
    expected, got = weights(run), weights(other)
    assert expected.keys() == got.keys()
    assert all(torch.equal(expected[key], got[key]) for key in expected)
    for name in ("best.safetensors", "last.safetensors"):
        assert (run / name).read_bytes() == (other / name).read_bytes()


def test_a_run_leaves_what_scripts_rely_on(unbroken, dataset):
    names = {path.name for path in unbroken.iterdir()}
    assert names == {
        *("job.toml", "log.csv", "curves.png", "validation.png", "report.html", "state"),
        *(f"{kind}.{ending}" for kind in ("best", "last") for ending in ("safetensors", "json")),
    }
    settings = tomllib.loads((unbroken / "job.toml").read_text())
    settings |= {name: Path(settings[name]) for name in ("dataset", "out")}
    settings |= {name: tuple(value) for name, value in settings.items() if isinstance(value, list)}
    precision = checkpoints.load(str(unbroken)).card.training["precision"]
    assert TrainJob(**settings) == job(dataset, unbroken, precision=precision, resume=False)
    with (unbroken / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0]["critic/real"] == ""  # it joins in half way
    assert {"critic/real", "generator/content", "psnr 0.1", "validation critic/fake"} <= {
        name for name, value in rows[-1].items() if value
    }
    model, card, _ = checkpoints.load(str(unbroken))
    assert difference(reading(model, card), card.constancy)["blocks"] < 1e-6
    assert card.patients == {"train": 2, "validation": 1, "test": 1}
    assert card.training["precision"] in ("float32", "bf16")  # what auto came to
    assert {"validation", "test", "noisy", "nlm"} <= set(card.metrics)
    assert card.metrics["nlm"]["psnr 0.2"] > card.metrics["noisy"]["psnr 0.2"]
    assert next(cards.told(card)).startswith("test, psnr 0.05: dgan ")
    assert card.bf16.keys() == {"noise", "bias"}
    assert card.body_parts == ["head"]


class StopAt(Stop):
    """A signal that comes at the n-th moment at which a run looks for one."""

    def __init__(self, moment):
        super().__init__()
        self.left = moment

    def look(self):
        self.left -= 1
        if not self.left:
            self.on_signal(signal.SIGTERM, None)

    @property
    def asked(self):
        self.look()
        return super().asked

    def check(self):
        self.look()
        super().check()


@pytest.mark.usefixtures("no_curves")
def test_a_stopped_run_goes_on_to_the_same_weights(unbroken, dataset, tmp_path, monkeypatch):
    out = tmp_path / "run"
    for moment in (2, 6, 20, 30):  # as slices are cached, after a step, in a validation, at the end
        stop = nullcontext(StopAt(moment))
        with monkeypatch.context() as patch:
            patch.setattr("medclean.pipelines.train.stop_on_signals", lambda _, stop=stop: stop)
            with pytest.raises(Stopped, match="stopped by SIGTERM") as stopped:
                train(job(dataset, out), QUIET)
        assert stopped.value.status == Exit.STOPPED
    train(job(dataset, out), QUIET)
    assert_same(unbroken, out)
    names = ("last.safetensors", "best.json")
    before = [(out / name).stat().st_mtime_ns for name in names]
    train(job(dataset, out), QUIET)  # it is done: nothing is computed again
    assert [(out / name).stat().st_mtime_ns for name in names] == before


@pytest.mark.usefixtures("no_curves")
def test_a_killed_run_goes_on_to_the_same_weights(dataset, tmp_path):
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    train(job(dataset, unbroken, every=1), QUIET)
    command = [sys.executable, little_dataset.__file__, str(dataset), str(killed)]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with subprocess.Popen(command, env=environ) as process:
        deadline = time.monotonic() + 60
        while not (killed / "state" / "state.json").exists() and process.poll() is None:
            assert time.monotonic() < deadline, "no checkpoint in a minute"
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert json.loads((killed / "state" / "state.json").read_text())["step"] < 6
    halves = [folder / ".0123456789abcdef.part" for folder in (killed, killed / "state")]
    for half in halves:  # as a kill in the midst of writing leaves them
        half.write_bytes(b"half")
    train(job(dataset, killed, every=1), QUIET)
    assert_same(unbroken, killed)
    assert not any(half.exists() for half in halves)


def test_a_folder_belongs_to_one_run(unbroken, dataset, tmp_path):
    with pytest.raises(UsageError, match=r"was begun with lr=0\.0002, now it is 0\.1"):
        train(job(dataset, unbroken, lr=0.1), QUIET)
    with pytest.raises(UsageError, match="add --resume"):
        train(job(dataset, unbroken, resume=False), QUIET)
    with pytest.raises(UsageError, match="lies inside the input"):
        train(job(dataset, dataset / "run"), QUIET)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        train(job(dataset, tmp_path), QUIET)
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt"}


def test_two_jobs_cannot_write_to_one_folder(unbroken, dataset):
    with (
        hold(unbroken / "state", None, "train", {}),
        pytest.raises(WriteError, match="is being written by process"),
    ):
        train(job(dataset, unbroken), QUIET)


def test_a_run_setting_may_differ_when_a_run_goes_on(unbroken, dataset):
    train(job(dataset, unbroken, workers=1), QUIET)


def test_half_a_state_is_never_what_a_run_goes_on_from(tmp_path):
    state.store(tmp_path, {"model.a": torch.zeros(3)}, state.Progress(1))
    (tmp_path / "step-00000002.safetensors").write_bytes(b"half")  # killed while it was written
    tensors, progress = state.restore(tmp_path)
    assert progress.step == 1
    assert torch.equal(tensors["model.a"], torch.zeros(3))
    state.store(tmp_path, tensors, state.Progress(3))
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"state.json", "step-00000003.safetensors"}
    (tmp_path / "step-00000003.safetensors").write_bytes(b"half")
    with pytest.raises(DataError, match="start anew"):
        state.restore(tmp_path)


@pytest.fixture
def damaged(unbroken, dataset, tmp_path):
    """A run that goes on, after something has happened to one of its files."""
    shutil.copytree(unbroken, tmp_path / "run")

    def resumed(name, content):
        (tmp_path / "run" / name).write_bytes(content)
        return train(job(dataset, tmp_path / "run"), QUIET)

    return resumed


@pytest.mark.parametrize("content", [b"", b"[", b"7", b'[{"name": "a"}]', b"\xff"])
@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("state/settings.json", "start anew in another folder, with --init"),
        ("state/state.json", "start anew in another folder, with --init"),
        ("state/sources.json", "take it away to go on with the images as they are now"),
        ("state/train/index.json", "train away, and it is made anew"),
        ("state/test/0000.npy", "test away, and it is made anew"),
        ("log.csv", "move it away"),
    ],
)
def test_a_damaged_run_says_what_to_do(damaged, name, mend, content):
    if name == "log.csv":
        content = b"step,lr\n1;2,3\n" + content
    with pytest.raises(DataError, match=mend):
        damaged(name, content)


def test_a_state_of_another_model_is_none(damaged, unbroken):
    row = json.loads((unbroken / "state" / "state.json").read_text())
    row["file"] = "../best.safetensors"
    with pytest.raises(DataError, match="start anew in another folder"):
        damaged("state/state.json", json.dumps(row).encode())


@pytest.mark.usefixtures("no_curves")
def test_a_run_goes_on_without_its_log(unbroken, dataset, tmp_path):
    out = tmp_path / "run"
    train(job(dataset, out, steps=2, every=2), QUIET)
    stopped = json.loads((out / "state" / "state.json").read_text()) | {"seen": 0}
    (out / "state" / "state.json").write_text(json.dumps(stopped))  # killed as it validated
    (out / "log.csv").unlink()
    train(job(dataset, out, steps=2, every=2), QUIET)
    with (out / "log.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["step"] == "2"
    assert float(row["psnr 0.1"]) > 0


def test_rows_of_a_long_run_are_found_again(tmp_path):
    log = record.Log(tmp_path / "log.csv", 0)
    for step in (1_234_567, 1_234_568):
        log.add({"step": step, "generator/content": 1.0})
    assert [row["step"] for row in record.Log(log.path, 1_234_567).rows] == [1_234_567]


def test_what_comes_between_two_steps_does_not_count(monkeypatch):
    times = iter([0.0, 100.0, 104.0, 104.0])
    monkeypatch.setattr(record, "monotonic", lambda: next(times))
    means = record.Means()
    means.begin()  # after a validation of 100 s
    means.add({"a/b": torch.tensor(1.0)})
    means.add({"a/b": torch.tensor(3.0)})
    assert means.take() == {"seconds a step": 2.0, "a/b": 2.0}


def test_losses_of_more_than_a_decade_have_an_axis_of_powers():
    few, many = (Figure().add_subplot() for _ in range(2))
    for axes, losses in ((few, [0.69, 0.7]), (many, [0.02, 1.5])):
        axes.plot(losses)
        curves.spread(axes, losses)
    assert (few.get_yscale(), many.get_yscale()) == ("linear", "log")
    labels = [label.get_text() for label in many.get_yticklabels()]
    assert {"0.02", "0.1", "0.5", "1"} <= set(labels)


@pytest.mark.usefixtures("no_curves")
@pytest.mark.parametrize(
    ("begins", "rate", "said"),
    [
        (0.5, 1e13, "critic/fake is nan at step 12"),
        (0.55, 1e13, "a weight of the critic is no finite number at step 12"),
        (0.55, 1e7, "psnr 0.05 is nan at step 12"),
    ],
)
def test_a_training_that_diverges_ends_with_what_it_had(
    dataset, tmp_path, monkeypatch, begins, rate, said
):
    out = tmp_path / "run"
    monkeypatch.setattr(
        "medclean.learning.schedules.constant.Constant.__call__",
        lambda self, progress, scores: 1.0 if progress < begins else rate,
    )
    settings = {"steps": 20, "lr": 1e-4, "warmup": 0.0, "schedule": "constant"}
    with pytest.raises(GateCrossed, match=rf"diverged: {said}; .* --clip 1") as crossed:
        train(job(dataset, out, **settings), QUIET)
    assert crossed.value.status == 7
    kept = checkpoints.load(str(out / "last.safetensors"))
    assert kept.card.training["step"] == 10
    assert all(bool(value.isfinite().all()) for value in weights(out).values())


@pytest.mark.usefixtures("no_curves")
def test_a_loss_that_explodes_ends_the_run_also_after_it_went_on(dataset, tmp_path, monkeypatch):
    """The measure is the first row of the run, not of its last start."""
    step = Stepper.step

    def louder(stepper, stream):
        losses = step(stepper, stream)
        if stepper.done == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        factor = 1 if stepper.done <= 3 else 50 if stepper.done <= 6 else 200
        return {name: factor * loss for name, loss in losses.items()}

    monkeypatch.setattr(Stepper, "step", louder)
    asked = job(dataset, tmp_path / "run", steps=20, lr=1e-30)
    with pytest.raises(Stopped):
        train(asked, QUIET)
    with pytest.raises(GateCrossed, match=r"diverged: generator/content is \S+ at step 7"):
        train(asked, QUIET)


@pytest.mark.usefixtures("no_curves")
def test_weights_that_are_no_numbers_are_not_kept(dataset, tmp_path, monkeypatch):
    step = Stepper.step

    def spoilt(stepper, stream):
        losses = step(stepper, stream)
        if stepper.done == 4:
            next(stepper.learner.critic.parameters()).data.fill_(torch.nan)
        return losses

    monkeypatch.setattr(Stepper, "step", spoilt)
    out = tmp_path / "run"
    with pytest.raises(GateCrossed, match="a weight of the critic is no finite number at step 4"):
        train(job(dataset, out, validation=0.0, test=0.0), QUIET)
    assert checkpoints.load(str(out)).card.training["step"] == 2
    assert all(bool(value.isfinite().all()) for value in weights(out).values())


@pytest.mark.parametrize(
    ("room", "said"),
    [
        (5, "--batch 4 --accumulate 2 does"),
        (1, "--batch 1 --accumulate 8 does"),
        (0, "nor does one alone"),
    ],
)
def test_a_batch_that_does_not_fit_names_one_that_does(dataset, tmp_path, monkeypatch, room, said):
    forward = RRG.forward

    def hungry(model, images, given):
        if len(images) > room:
            raise RuntimeError("CUDA error: out of memory")
        return forward(model, images, given)

    monkeypatch.setattr(RRG, "forward", hungry)
    whole = job(dataset, tmp_path / "run", model="rrg:width=4,groups=1,blocks=1", batch=(8,))
    with pytest.raises(MissingError, match=f"8 patches of 16x16 does not fit.*{said}"):
        train(whole, Log(quiet=True))


@pytest.mark.usefixtures("no_curves")
def test_several_seeds_are_runs_of_their_own_and_are_summed_up(unbroken, dataset, tmp_path):
    summary = train(job(dataset, tmp_path / "runs", seeds=2), QUIET)
    assert summary == tmp_path / "runs" / "seeds.json"
    told = json.loads(summary.read_text())
    assert (told["seeds"], told["split"]) == ([0, 1], "test")
    found = [checkpoints.load(str(tmp_path / "runs" / f"seed-{seed}")) for seed in (0, 1)]
    assert found[0].sha256 == checkpoints.load(str(unbroken)).sha256 != found[1].sha256
    scores = [one.card.metrics["test"]["psnr 0.1"] for one in found]
    row = told["figures"]["psnr 0.1"]
    assert row["values"] == scores
    assert (row["mean"], row["sd"]) == (pytest.approx(fmean(scores)), pytest.approx(stdev(scores)))
    settings = tomllib.loads((tmp_path / "runs" / "job.toml").read_text())
    assert (settings["seed"], settings["seeds"]) == (0, 2)
    assert each(tmp_path / "runs") == [tmp_path / "runs" / f"seed-{seed}" for seed in (0, 1)]
    assert each(unbroken) == [unbroken]  # as `report` takes them
    with pytest.raises(UsageError, match=r"was begun with seeds=1, now it is 2"):
        train(job(dataset, unbroken, seeds=2), QUIET)
    with pytest.raises(UsageError, match=r"was begun with seed=0, now it is 5"):
        train(job(dataset, tmp_path / "runs", seeds=2, seed=5), QUIET)
    begun = [path.stat().st_mtime_ns for path in sorted((tmp_path / "runs").rglob("log.csv"))]
    train(job(dataset, tmp_path / "runs", seeds=2), QUIET)  # it is all there
    assert begun == [p.stat().st_mtime_ns for p in sorted((tmp_path / "runs").rglob("log.csv"))]


def test_a_folder_of_something_else_is_not_taken_for_several_seeds(dataset, tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "job.toml").write_text("precious = 1")
    with pytest.raises(UsageError, match="is not empty"):
        train(job(dataset, out, seeds=2), QUIET)
    assert (out / "job.toml").read_text() == "precious = 1"
    with pytest.raises(UsageError, match="plateau follow"):
        train(job(dataset, tmp_path / "runs", seeds=2, schedule="plateau", validation=0), QUIET)
    assert not (tmp_path / "runs").exists()


def test_a_network_that_sees_neighbours_denoises_each_slice_beside_its_own(
    dataset, tmp_path, no_curves
):
    run, out = tmp_path / "run", tmp_path / "out"
    network = "rrg:width=4,groups=1,blocks=1,context=3"
    train(job(dataset, run, model=network, steps=2, noise=("gaussian:sigma=0..0.3",)), QUIET)
    study = dataset / "sub-00"
    denoise(DenoiseJob((study,), str(run), out=out, device="cpu"), QUIET)
    before, after = (read_volume(next(path.rglob("*.nii.gz"))) for path in (study, out))
    beside = np.pad(before.array, ((1, 1), (0, 0), (0, 0)), mode="edge") / before.scale
    seen = torch.from_numpy(np.stack([beside[:-2], beside[1:-1], beside[2:]], axis=1))
    given = before.given()
    expected = checkpoints.load(str(run)).model.eval().denoise(seen, given)[:, 0] * before.scale
    np.testing.assert_allclose(after.array, expected, atol=1e-3)
    assert not np.allclose(after.array, before.array, atol=1e-3)


def test_a_weight_that_goes_by_several_names_is_stored(tmp_path):
    weights = tiny("mirnet").state_dict()
    assert len({w.data_ptr() for w in weights.values()}) < len(weights)
    state.store(tmp_path, weights, state.Progress(step=1))
    stored, _ = state.restore(tmp_path)
    assert stored.keys() == weights.keys()
    assert all(torch.equal(stored[name], weights[name]) for name in weights)


@pytest.mark.usefixtures("no_curves")
def test_init_begins_with_the_weights_of_a_checkpoint(unbroken, dataset, tmp_path):
    settings = {"init": str(unbroken), "lr": 1e-30, "steps": 1, "ema": 0.0}
    train(job(dataset, tmp_path / "run", **settings), QUIET)
    began, ended = (checkpoints.weights(str(run)) for run in (unbroken, tmp_path / "run"))
    assert all(torch.equal(began[name], ended[name]) for name in began)
    metrics = checkpoints.load(str(tmp_path / "run")).card.metrics
    assert metrics["before"] == pytest.approx(metrics["test"], rel=1e-6)
    assert metrics["before"] != pytest.approx(metrics["noisy"], rel=1e-3)
    other = {"model": "dgan:width=8,groups=1,patch=16", "init": str(unbroken)}
    made = r"does not fit.*--model 'dgan:width=4,groups=1,streams=\[1,2\],patch=16"
    with pytest.raises(MissingError, match=made):
        train(job(dataset, tmp_path / "other", **other), QUIET)


@pytest.mark.usefixtures("no_curves")
def test_a_run_names_what_it_began_with_for_any_folder_and_goes_on_without(
    unbroken, dataset, tmp_path, monkeypatch
):
    shutil.copytree(unbroken, tmp_path / "own")
    monkeypatch.chdir(tmp_path)
    begins = {"init": "own", "steps": 2, "every": 1}
    train(job(dataset, tmp_path / "run", **begins), QUIET)
    told = tomllib.loads((tmp_path / "run" / "job.toml").read_text())
    assert told["init"] == str(tmp_path / "own")
    best = tmp_path / "run" / "best.json"
    card = json.loads(best.read_text())
    began_with = json.loads((tmp_path / "own" / "best.json").read_text())["sha256"]
    assert card["training"]["init"] == began_with  # a name may be a patient's, and cards travel
    shutil.rmtree(tmp_path / "own")
    best.write_text(json.dumps(card | {"constancy": {}}))  # as if it had not been judged
    train(job(dataset, tmp_path / "run", **begins | {"init": "./own"}), QUIET)
    again = json.loads(best.read_text())
    assert again["constancy"] == card["constancy"]
    assert cards._init(job(dataset, tmp_path / "run", **begins), "MR") == began_with
    with pytest.raises(MissingError, match="no checkpoint"):
        train(job(dataset, tmp_path / "other", **begins), QUIET)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "identity"}, "nothing to train; networks are"),
        ({"noise": ("gaussian:sigma=0..x",)}, "level '0..x', expected"),
        ({"noise": ("gaussian:sigma=0..20HU",)}, "a number in au"),
        ({"noise": ("gaussian:sigmas=0.1",)}, "did you mean 'sigma'"),
        ({"noise": ("gaussian:sigma=0.3..0.1",)}, "0.3..0.1, expected the lower end first"),
        ({"noise": ("gaussian:sigma=-0.1..0.2",)}, "level -0.1, expected 0 or more"),
        (
            {"noise": ("gaussian|salt-pepper",), "model": "dgan:patch=16,weighting=0.05"},
            r"noise level of each image, which gaussian\|salt-pepper does not tell",
        ),
        ({"mask": "radial:ratio=0.3", "model": "scnn:width=4"}, "k-space sampled by radial:ratio"),
        (
            {"model": "unet:width=4,critic_width=4", "patch": (16,), "batch": (1,)},
            "say --patch 32 or --batch 2",
        ),
        ({"patch": (16, 4)}, "cannot judge patches of 4 pixels; say --patch 6 or more"),
        ({"modality": "CT"}, "state that they are MR"),
        ({"noise": ("gaussian", "poison")}, "no noise 'poison'"),
        ({"noise": ("gaussian", "")}, "an empty noise"),
        ({"schedule": "cosinus"}, "did you mean 'cosine'"),
        ({"schedule": "plateau", "validation": 0.0}, "no patient is held out"),
        ({"patience": 3, "validation": 0.0}, "no patient is held out"),
        ({"patient": "("}, "regular expression"),
        ({"device": "abacus"}, "no device 'abacus'"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_written(
    settings, message, dataset, tmp_path
):
    with pytest.raises(UsageError, match=message):
        train(job(dataset, tmp_path / "run", **settings), QUIET)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, "seed is -1, expected at least 0"),
        ({"seed": 10**23}, "expected at most 9223372036854775807"),
        ({"workers": -1}, "workers is -1, expected at least 0"),
        ({"batch": (4, 0), "patch": (64, 128)}, "batch is 0, expected at least 1"),
        ({"steps": 0}, "steps is 0, expected at least 1"),
    ],
)
def test_numbers_that_mean_nothing_are_no_job(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        job(tmp_path, tmp_path / "run", **settings)


@pytest.mark.usefixtures("no_curves")
def test_patients_whose_images_are_left_out_do_not_count(tmp_path):
    dataset = make_dataset(tmp_path / "data")
    write_image(dataset / "sub-04" / "anat" / "sub-04_T1w.nii.gz", 4, noise=0.2)
    train(job(dataset, tmp_path / "run", steps=1), QUIET)
    card = checkpoints.load(str(tmp_path / "run")).card
    assert sum(card.patients.values()) == 4


def test_weights_beyond_the_memory_are_refused(dataset, tmp_path):
    with pytest.raises(MissingError, match="rrg:width=1000000 do not fit into memory"):
        train(job(dataset, tmp_path / "run", model="rrg:width=1000000"), QUIET)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("no_curves")
def test_a_run_keeps_the_precision_that_it_began_with(dataset, tmp_path, monkeypatch):
    asked = job(dataset, tmp_path / "run", precision="bf16", steps=2, every=1)
    train(asked, QUIET)
    monkeypatch.setattr("medclean.training.machine._multiplies", lambda device: False)
    train(replace(asked, precision="auto"), QUIET)
    assert checkpoints.load(str(tmp_path / "run")).card.training["precision"] == "bf16"
    with pytest.raises(UsageError, match="begun with precision='bf16', now it is 'float32'"):
        train(replace(asked, precision="float32"), QUIET)


@pytest.mark.usefixtures("no_curves")
def test_noise_that_changes_nothing_has_finite_figures(dataset, tmp_path):
    asked = job(dataset, tmp_path / "run", noise=("salt-pepper:share=0",), steps=2, every=1)
    train(asked, QUIET)
    card = json.loads((tmp_path / "run" / "best.json").read_text())
    noisy = [value for name, value in card["metrics"]["noisy"].items() if "psnr" in name]
    assert noisy == [pytest.approx(138.5, abs=0.1)] * len(noisy) != []
    assert np.isfinite([*card["bf16"].values()]).all()


def test_words_of_the_machine_reach_torch():
    for tf32 in (True, False):
        machine("cpu", "float32", 0, tf32=tf32)
        assert torch.backends.cuda.matmul.allow_tf32 is tf32
        assert torch.backends.cudnn.allow_tf32 is tf32


def test_a_run_computes_with_channels_last(tmp_path):
    run = Run(job(tmp_path, tmp_path), tiny("dgan"), CPU, steps=1, card=Card("dgan", {}, "MR"))
    deep = [w for w in run.model.parameters() if w.ndim == 4 and min(w.shape) > 1]
    assert all(w.is_contiguous(memory_format=torch.channels_last) for w in deep)


def test_patches_that_only_the_generator_sees_may_be_smaller(tmp_path):
    asked = job(tmp_path, tmp_path / "run", patch=(4, 16))  # the critic joins in half way
    begin.check_patches(asked, begin.network(asked), 1)


def test_an_image_beyond_a_limit_is_left_out(dataset, tmp_path):
    with pytest.raises(DataError, match="the limit is 1KiB, --limits"):
        train(job(dataset, tmp_path / "run", limits="pixels=1KiB"), QUIET)
    with pytest.raises(UsageError, match="limits"):
        train(job(dataset, tmp_path / "run", limits="depth=3"), QUIET)


@pytest.fixture
def samples(dataset, tmp_path):
    from medclean.archive.dataset import gather
    from medclean.archive.nifti.scan import scan
    from medclean.files import walk

    found = scan(dataset, [entry.path for entry in walk(dataset)], Here())
    slices = cached(
        gather(dataset, found).cases, tmp_path / "cache", report=lambda line: None, stop=Stop()
    )
    noise = Noise("gaussian:sigma=0..0.2|rician:sigma=10au")
    return Samples(slices, Pairing(noise), (16,), (3,), 1, seed=5)


def test_whole_slices_of_a_batch_have_one_shape(samples):
    one, *rest = samples.slices.series
    folder = samples.slices.folder
    planes = np.load(folder / one.file)
    np.save(folder / "narrow.npy", planes[:, :, :20])
    shutil.copyfile(_pool_of(folder / one.file), _pool_of(folder / "narrow.npy"))
    narrow = replace(one, file="narrow.npy", slices=tuple(p for p in one.slices if not p[0]))
    whole = replace(
        samples,
        slices=replace(samples.slices, series=(one, narrow, *rest)),
        patch=(0,),
        pairing=Pairing(Noise("gaussian:sigma=0"), augment="none"),
    )
    seen = {batch.clean.shape[2:]: batch.clean for batch in islice(batches(whole, 0, CPU), 12)}
    assert seen.keys() == {planes.shape[1:], (planes.shape[1], 20)}
    known = [plane / plane.max() for plane in planes[:, :, :20]]
    for plane in seen[planes.shape[1], 20][:, 0].numpy():
        assert any(np.allclose(plane / plane.max(), other, atol=1e-5) for other in known)


@pytest.mark.usefixtures("no_curves")
def test_a_run_may_end_with_whole_slices(dataset, tmp_path):
    best = train(job(dataset, tmp_path / "run", patch=(16, 0)), QUIET)
    assert checkpoints.read_card(best).training["patch"] == [16, 0]
    small = little_dataset.make_dataset(tmp_path / "small", shape=(32, 20, 4))
    critical = {"model": "dgan:width=4,groups=1,streams=[1,2],patch=70", "patch": (0,)}
    with pytest.raises(DataError, match=r"the slices of .*, which are 20x32; say --patch 24"):
        train(job(small, tmp_path / "other", **critical), QUIET)
    assert not (tmp_path / "other").exists()


def test_slices_of_few_pixels_are_left_out(tmp_path):
    narrow = little_dataset.make_dataset(tmp_path / "narrow", shape=(40, 9, 4))
    with pytest.raises(DataError, match="one of few pixels"):
        train(job(narrow, tmp_path / "run"), QUIET)


def test_a_full_disk_tells_how_to_go_on(dataset, tmp_path, monkeypatch):
    def full(path, array):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("medclean.training.slices.save", full)
    with pytest.raises(WriteError, match=r"No space left on device.*add --resume to the same"):
        train(job(dataset, tmp_path / "run"), QUIET)


def test_arrays_come_back_as_they_were(tmp_path):
    array = np.random.default_rng(0).random((3, 4, 5), np.float32)
    arrays.save(tmp_path / "whole.npy", array[:, ::-1])
    np.testing.assert_array_equal(np.load(tmp_path / "whole.npy"), array[:, ::-1])
    filled = arrays.room(tmp_path / "filled.npy", array.shape)
    size = (tmp_path / "filled.npy").stat()
    assert 512 * size.st_blocks >= array.nbytes  # it is no sparse file
    filled[:] = array
    filled.flush()
    np.testing.assert_array_equal(arrays.mapped(tmp_path / "filled.npy"), array)


def test_a_batch_depends_on_seed_and_number_alone(samples):
    alone = list(islice(batches(samples, 0, CPU), 6))
    by_workers = list(islice(batches(samples, 2, replace_workers(2)), 4))
    for expected, got in zip(alone[2:], by_workers, strict=True):
        assert torch.equal(expected.noisy, got.noisy)
        assert torch.equal(expected.clean, got.clean)
        assert torch.equal(expected.given.sigma, got.given.sigma)
    others = next(batches(replace(samples, seed=6), 0, CPU))
    assert not torch.equal(alone[0].noisy, others.noisy)
    assert not torch.equal(alone[0].noisy, alone[1].noisy)


def replace_workers(count):
    return CPU._replace(workers=count)


def noised(samples, noise):
    return replace(samples, pairing=Pairing(Noise(noise)))


def test_given_sigma_is_that_of_the_noise_in_the_batch(samples):
    gaussian = replace(noised(samples, "gaussian:sigma=0.02..0.2"), patch=(64,), batch=(16,))
    batch = next(batches(gaussian, 0, CPU))
    measured = (batch.noisy - batch.clean).std(dim=(1, 2, 3))
    torch.testing.assert_close(measured, batch.given.sigma.flatten(), rtol=0.05, atol=0)
    assert batch.given.sigma.min() < 0.08 < 0.12 < batch.given.sigma.max()


def test_a_batch_is_normalised_by_the_scale_of_the_noisy_series(samples):
    """Rician noise as strong as the image makes the series brighter than the clean one."""
    strong = replace(noised(samples, "rician:sigma=1"), batch=(16,))
    batch = next(batches(strong, 0, CPU))
    assert batch.given.scale.max() <= 1.1  # the intensity augmentation
    assert batch.given.scale.min() >= 0.8
    assert batch.clean.max() < 0.6
    assert 0.8 < float(batch.noisy.flatten().quantile(0.999)) < 1.2


def test_neighbouring_slices_have_their_own_noise(samples):
    stacks = replace(noised(samples, "gaussian:sigma=0.1"), context=3)
    batch = next(batches(stacks, 0, CPU))
    assert batch.noisy.shape == (3, 3, 16, 16)
    assert batch.clean.shape == (3, 1, 16, 16)
    own = batch.noisy[:, 1:2] - batch.clean
    torch.testing.assert_close(
        own.std(dim=(1, 2, 3)), batch.given.sigma.flatten(), rtol=0.25, atol=0
    )
    assert not torch.equal(batch.noisy[:, 0] - batch.clean[:, 0], own[:, 0])


def test_noise_specs_draw_alternatives_and_levels():
    noise = Noise("gaussian:sigma=0.1..0.2,clip=true|rician:sigma=5..10au")
    draws = [noise.draw(np.random.default_rng(seed)) for seed in range(50)]
    kinds = {type(draw.noises[0]).__name__ for draw in draws}
    assert kinds == {"Gaussian", "Rician"}
    for draw in draws:
        sigma = draw.given(GIVEN).sigma
        low, high = (20, 40) if type(draw.noises[0]).__name__ == "Gaussian" else (5, 10)
        assert low <= sigma <= high
    levelled = noise.at(0.3, np.random.default_rng(0))
    assert levelled.given(GIVEN).sigma == pytest.approx(60)
    assert levelled.noises[0].clip


def test_noises_are_applied_in_order_and_their_variances_add_up():
    both = Noise("gaussian:sigma=0.03", "rician:sigma=0.04|rician:sigma=0.04")
    drawn, image = both.draw(np.random.default_rng(0)), np.full((256, 256), 100, np.float32)
    assert [type(noise).__name__ for noise in drawn.noises] == ["Gaussian", "Rician"]
    assert drawn.given(GIVEN).sigma == pytest.approx(10)
    noisy = drawn(image, np.random.default_rng(1), GIVEN)
    assert noisy.std() == pytest.approx(10, rel=0.02)
    first, second = (noise.sigma for noise in both.at(0.2, np.random.default_rng(0)).noises)
    assert (first, second) == (0.2, 0.04)


def test_parts_of_a_run_have_batches_of_their_own(samples):
    parts = replace(samples, patch=(8, 16, 24), batch=(4, 2, 1)).staged([2, 5], (0, 1))
    shapes = [tuple(parts[k]["noisy"].shape) for k in range(6)]
    assert shapes == [(4, 1, 8, 8)] * 2 + [(2, 1, 16, 16)] * 3 + [(1, 1, 24, 24)]
    halves = [parts.staged([2, 5], (number, 2))[0]["clean"] for number in range(2)]
    torch.testing.assert_close(torch.stack(halves, dim=1).flatten(0, 1), parts[0]["clean"])


@pytest.mark.usefixtures("no_curves")
def test_a_run_counts_its_length_in_epochs_and_grows_its_patches(dataset, tmp_path):
    settings = {"epochs": 2.5, "steps": None, "patch": (8, 16), "batch": (4, 2), "accumulate": 2}
    train(job(dataset, tmp_path / "run", **settings), QUIET)
    with (tmp_path / "run" / "log.csv").open() as file:
        steps = [int(row["step"]) for row in csv.DictReader(file)]
    slices = json.loads((tmp_path / "run" / "state" / "train" / "index.json").read_text())
    seen = sum(len(series["slices"]) for series in slices)
    assert steps[-1] == -(-2.5 * seen // 6)  # three patches a batch on average, two batches a step


@pytest.mark.usefixtures("no_curves")
def test_a_run_that_no_longer_improves_ends_early(dataset, tmp_path):
    out = tmp_path / "run"
    settings = {"lr": 1e-30, "ema": 0.0, "steps": 20, "patience": 2}
    train(job(dataset, out, **settings), QUIET)
    with (out / "log.csv").open() as file:
        steps = [int(row["step"]) for row in csv.DictReader(file)]
    assert steps[-1] == 6  # of 20, validated every 2: one score, and two that are no better
    assert checkpoints.load(str(out)).card.metrics["test"]
    train(job(dataset, out, **settings), QUIET)  # to go on is to end at once
    assert (out / "log.csv").read_text().count("\n") == len(steps) + 1


def test_useless_images_leave_no_folder_behind(tmp_path):
    for number in range(4):
        write_image(tmp_path / "noisy" / f"sub-{number}" / "a.nii.gz", number, noise=0.2)
    with pytest.raises(DataError, match="none of 2 series is ground truth"):
        train(job(tmp_path / "noisy", tmp_path / "run"), QUIET)
    assert not (tmp_path / "run").exists()


def test_only_clean_images_are_ground_truth(tmp_path):
    shape = (64, 60, 6)
    clean = read_volume(write_image(tmp_path / "a.nii.gz", shape=shape), "MR")
    noisy = read_volume(write_image(tmp_path / "b.nii.gz", noise=0.1, shape=shape), "MR")
    fine = read_volume(write_image(tmp_path / "c.nii.gz", noise=0.04, shape=(330, 330, 3)), "MR")
    assert clean_enough(clean)[0] is clean
    assert clean_enough(noisy) is None
    taken, sigma = clean_enough(fine)
    assert taken.array.shape == (3, 165, 165)
    assert sigma < 0.025


def test_averaging_keeps_the_place_of_the_image():
    array = np.arange(4 * 6 * 5, dtype=np.float32).reshape(4, 6, 5)
    affine = np.diag([3.0, 2.0, 1.0, 1.0])
    volume = averaged(Volume(array, affine, "au", "MR", 1.0), (1, 2, 2))
    assert volume.array.shape == (4, 3, 2)
    assert volume.array[0, 0, 0] == array[0, :2, :2].mean()
    np.testing.assert_allclose(volume.affine @ [0, 0, 0, 1], [0, 1, 0.5, 1])
    np.testing.assert_allclose(volume.affine @ [0, 1, 1, 1], [0, 5, 2.5, 1])


def test_job_files_are_toml(tmp_path):
    asked = job(tmp_path / 'a "quoted" name', tmp_path, clip=None, workers=3, patient=r"(p\d+)")
    settings = tomllib.loads(toml(values(asked)))
    assert settings["dataset"] == str(asked.dataset)
    assert settings["patient"] == r"(p\d+)"
    assert settings["workers"] == 3
    assert "clip" not in settings


def test_job_files_mean_the_same_in_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = tomllib.loads(record.settings(job(Path("data"), Path("run"))).decode())
    assert (told["dataset"], told["out"]) == (str(tmp_path / "data"), str(tmp_path / "run"))


def test_presets_are_jobs(tmp_path):
    for path in PRESETS.glob("*.toml"):
        settings = tomllib.loads(path.read_text())
        settings |= {
            name: (settings[name],) for name in ("noise", "batch", "patch") if name in settings
        }
        asked = TrainJob(dataset=tmp_path, out=tmp_path, **settings)
        Noise(*asked.noise).fitting("CT" if "low-dose" in asked.noise[0] else "MR")
        SCHEDULES.make(asked.schedule)


@pytest.mark.parametrize("name", TRAINABLE)
def test_every_network_has_its_presets(name):
    known = {path.stem for path in PRESETS.glob("*.toml")}
    assert {f"{name}-{size}" for size in ("paper", "small", "tiny")} <= known


@pytest.mark.slow
@pytest.mark.usefixtures("no_curves")
@pytest.mark.skipif(not shutil.which(os.environ.get("CXX", "g++")), reason="no C++ compiler")
@pytest.mark.parametrize(
    "kind", ["rrg:width=4,groups=1,blocks=1,streams=[1,2]", little_dataset.MODEL]
)
def test_a_compiled_training_learns_the_same(kind, dataset, tmp_path):
    for name, compiled in (("plain", False), ("compiled", True)):
        settings = {"model": kind, "steps": 4, "precision": "float32", "compile": compiled}
        train(job(dataset, tmp_path / name, **settings), QUIET)
    plain, compiled = (checkpoints.weights(str(tmp_path / name)) for name in ("plain", "compiled"))
    assert plain.keys() == compiled.keys()
    for name, weight in plain.items():
        torch.testing.assert_close(compiled[name], weight, rtol=1e-3, atol=1e-4)


def test_compiling_and_recomputing_need_something_to_work_with(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(MissingError, match=r"install g\+\+"):
        train(job(dataset, tmp_path / "run", compile=True), QUIET)
    monkeypatch.setattr("medclean.networks.rrg.RRGNet.blocks", ())
    with pytest.raises(UsageError, match="leave --recompute out"):
        train(job(dataset, tmp_path / "run", recompute=True), QUIET)
    assert not (tmp_path / "run").exists()
