"""Several processes learn what one does."""

import csv
import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from itertools import islice
from pathlib import Path
from signal import SIGTERM
from socket import socket

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing
from torch.nn.utils import parameters_to_vector

from little_dataset import job, make_dataset
from medclean import checkpoints
from medclean.checkpoints import Card
from medclean.errors import Stopped
from medclean.learning.processes import rank, world_size
from medclean.learning.stepper import Stepper
from medclean.log import Log
from medclean.signals import Stop
from medclean.training.loop import Run
from medclean.training.machine import Machine
from medclean.training.world import World, world
from tiny import batches, tiny

STEPS = 5


def learn(number, world, folder, name, options):
    """Some steps with this process's share of every batch."""
    if world > 1:
        meeting = f"file://{folder}/meeting"
        dist.init_process_group("gloo", init_method=meeting, rank=number, world_size=world)
    assert (rank(), world_size()) == (number, world)
    model = tiny(name, **options)
    stepper = Stepper(model, steps=STEPS, lr=1e-3)
    for batch in islice(batches(), STEPS):
        noisy, clean = (part.chunk(world)[number] for part in (batch.noisy, batch.clean))
        stepper.step(iter([replace(batch, noisy=noisy, reference=clean)]))
    np.save(folder / f"{number}-of-{world}.npy", weights(model))


def weights(model):
    return parameters_to_vector(model.parameters()).detach().numpy()


@pytest.mark.parametrize(
    ("name", "options"), [("rrg", {}), ("dgan", {"norm": "group"}), ("dncnn", {"norm": "group"})]
)
def test_two_processes_learn_what_one_does(name, options, tmp_path):
    learn(0, 1, tmp_path, name, options)
    arguments = (2, tmp_path, name, options)
    multiprocessing.start_processes(learn, arguments, nprocs=2, start_method="fork")
    alone, first, second = (np.load(tmp_path / f"{n}.npy") for n in ("0-of-1", "0-of-2", "1-of-2"))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, alone, atol=1e-5)
    assert np.abs(alone - weights(tiny(name, **options))).max() > 1e-3


def go_on(number, folder, meeting, *, stops=None):
    """A run of a GAN with batch norm that goes on where it is; each begins with other weights."""
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=number, world_size=2)
    model, stop = tiny("dgan"), Stop()
    for weight in model.parameters():
        weight.data += number
    asked = job(folder, folder / "run", every=2)
    card = Card("dgan", asdict(model.options), "MR")
    run = Run(asked, model, Machine(torch.device("cpu"), "float32", 0), steps=6, card=card)
    run.resume()

    def stream():
        for step, batch in enumerate(batches(run.stepper.drawn), start=run.stepper.drawn + 1):
            if step == stops and number == 1:
                stop.signal = SIGTERM
            noisy, clean = (part.chunk(2)[number] for part in (batch.noisy, batch.clean))
            yield replace(batch, noisy=noisy, reference=clean)

    with suppress(Stopped), Log(quiet=True).bar("training", None) as bar:
        run.learn(stream(), bar=bar, say=lambda line: None, stop=stop)
    kept = model.state_dict() | run.stepper.training_state()
    torch.save(kept, folder / f"{number}.pt")


def test_processes_that_begin_apart_end_alike_also_after_a_stop(tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "_draw", lambda run, rows: None)
    kept = {}
    for name, stops in {"unbroken": (None,), "broken": (3, None)}.items():
        folder = tmp_path / name
        (folder / "run" / "state").mkdir(parents=True)
        for start, at in enumerate(stops):
            work = partial(go_on, stops=at)
            both = (folder, folder / f"meeting-{start}")
            multiprocessing.start_processes(work, both, nprocs=2, start_method="fork")
            done = json.loads((folder / "run" / "state" / "state.json").read_text())["step"]
            assert done == (at or 6)
        kept |= {(name, number): torch.load(folder / f"{number}.pt") for number in (0, 1)}
    expected = kept["unbroken", 0]
    assert any("running_mean" in key for key in expected)
    for key, tensors in kept.items():
        differs = [name for name in expected if not torch.equal(expected[name], tensors[name])]
        assert not differs, (key, differs)


def run_two(folder, *more):
    """Train as torchrun does it, two processes on this machine."""
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
        *("--master-port", str(free_port()), Path(__file__).with_name("little_dataset.py")),
        *(folder / "dataset", folder / "two", *more),
    ]
    environ = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environ)


def free_port():
    with socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    make_dataset(folder / "dataset", 5)
    done = run_two(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_the_same_command_trains_under_torchrun(trained):
    """Batch norm keeps a GAN's numbers from being equal; what is written is that of one run."""
    names = {path.name for path in (trained / "two").iterdir()}
    assert names >= {"best.safetensors", "last.safetensors", "log.csv", "curves.png", "job.toml"}
    with (trained / "two" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert len(set(rows[-1])) == len(rows[-1])
    assert checkpoints.load(str(trained / "two")).card.metrics["test"]


@pytest.mark.slow
def test_two_processes_go_on_where_they_were(trained):
    last = (trained / "two" / "last.safetensors").read_bytes()
    state = json.loads((trained / "two" / "state" / "state.json").read_text())
    assert state["step"] == 6
    again = run_two(trained)
    assert again.returncode == 0, again.stderr
    assert "going on after step 6" in again.stderr
    assert (trained / "two" / "last.safetensors").read_bytes() == last


@pytest.mark.slow
def test_a_mistake_ends_all_processes(trained):
    odd = run_two(trained, "3")
    assert odd.returncode != 0
    assert "a batch of 3 patches cannot be divided among 2 processes; say --batch 4" in odd.stderr


SLURM = {
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NODELIST": "gpu[03-05,11],big1",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_JOB_ID": "70123",
}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, World()),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, World()),  # sbatch alone: one process
        (SLURM, World(3, 4, 1, 2, "gpu03:30123")),
        (SLURM | {"SLURM_CPUS_PER_TASK": "8"}, World(3, 4, 1, 1, "gpu03:30123")),
        (SLURM | {"SLURM_STEP_NODELIST": "a-7,b-[1-2]"}, World(3, 4, 1, 2, "a-7:30123")),
        (SLURM | {"MASTER_ADDR": "x", "MASTER_PORT": "9"}, World(3, 4, 1, 2, "x:9")),
        (
            {
                **{"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"},
                **{"MASTER_ADDR": "host", "MASTER_PORT": "29500"},
            },
            World(5, 8, 1, 4, "host:29500"),
        ),
    ],
)
def test_the_launcher_says_who_one_is(environ, expected):
    assert world(environ) == expected
