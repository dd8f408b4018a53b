"""Under SLURM, run for real: the scripts that the man pages show, stopped and requeued."""

from pathlib import Path

import pytest

import dicoms
from little_dataset import MODEL, make_dataset
from little_run import tree
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.pipelines.denoise import denoise
from slurm import Cluster, cluster, until

pytestmark = pytest.mark.slow
MAN = Path(__file__).parent.parent / "man"
HERE = ("--gres=none", "--cpus-per-task=1", "--time=1:00:00")  # no GPU, and two processors


@pytest.fixture
def slurm(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


def script(name, to, **places):
    """A script of the man pages with other words in it."""
    text = (MAN / f"medclean-{name}.sbatch").read_text(encoding="utf-8")
    for old, new in places.values():
        assert old in text
        text = text.replace(old, str(new))
    to.write_text(text)
    return to


def test_two_tasks_train_as_one_and_go_on_when_they_are_requeued(slurm: Cluster, tmp_path):
    data = make_dataset(tmp_path / "data")
    said = f"--model '{MODEL}' --steps 60 --every 10 --batch 2 --patch 16 --device cpu"

    def submitted(out):
        words = {
            "data": ("/data/brain", data),
            "out": ("/runs/dgan", out),
            "model": ("--preset dgan-small", said),
        }
        return slurm.submit(script("train", tmp_path / "train.sbatch", **words), *HERE)

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    slurm.await_state(submitted(whole), "COMPLETED")
    job = submitted(parts)
    until(lambda: "step 10 of 60" in slurm.said(job), "ten steps are done", slurm.folder)
    slurm.run("scancel", "--signal=TERM", "--batch", job)  # as before the end of its time
    until(lambda: slurm.restarts(job) == 1, "it is requeued", slurm.folder)
    assert "stopped by SIGTERM" in slurm.said(job)
    until(lambda: slurm.states(job) == ["PENDING"], "it waits", slurm.folder)
    slurm.run("scontrol", "update", f"JobId={job}", "StartTime=now")
    slurm.await_state(job, "COMPLETED")
    for name in ("best.safetensors", "last.safetensors"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()


def test_an_array_denoises_each_series_once(slurm: Cluster, tmp_path):
    study = tmp_path / "study"
    for number in range(5):
        dicoms.series(study / f"{number}", 2, series=number + 1, modality="MR")
    denoise(DenoiseJob((study,), "median", out=tmp_path / "plain"), Log(quiet=True))
    words = {
        "study": ("/archive/trial", study),
        "out": ("/scratch/denoised", tmp_path / "out"),
        "model": ("--model dgan", "--model median"),
    }
    told = script("denoise", tmp_path / "denoise.sbatch", **words)
    job = slurm.submit(told, "--array=1-3", *HERE)
    slurm.await_state(job, "COMPLETED")
    assert tree(tmp_path / "out") == tree(tmp_path / "plain")
    lines = [line for line in slurm.said(job).splitlines() if line.startswith("shard ")]
    assert len(lines) == 3
    assert all("of 5 series" in line for line in lines)
    again = slurm.submit(told, "--array=1-3", *HERE)  # the next night
    slurm.await_state(again, "COMPLETED")
    assert tree(tmp_path / "out") == tree(tmp_path / "plain")
