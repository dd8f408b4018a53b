"""Devices, threads and precision."""

import json
import platform
import sys
from subprocess import run

import pytest
import torch

from medclean import device
from medclean.errors import MissingError, UsageError

SMALL = {"noise": 0.01, "bias": 0.02}


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def card(monkeypatch):
    """A CUDA device of some capability, without there being one."""

    def make(capability: tuple[int, int]) -> torch.device:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda where: capability)
        return torch.device("cuda:0")

    return make


def test_auto_takes_what_is_there():
    best = "cuda:0" if torch.cuda.is_available() else None
    found = device.choose("auto")
    assert str(found) == (best or ("mps" if torch.backends.mps.is_available() else "cpu"))
    assert device.choose("cpu") == torch.device("cpu")


@pytest.mark.parametrize("word", ["gpu", "cuda:x", "cuda:-1", "cpu:0", "mps:1", ""])
def test_a_word_that_is_no_device(word):
    with pytest.raises(UsageError, match="; expected auto, cpu, cuda, cuda:N, mps"):
        device.choose(word)


def test_a_device_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(MissingError, match="finds 2 CUDA devices; ask for cuda:0 to cuda:1"):
        device.choose("cuda:2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MissingError, match=r"finds no CUDA device; .*--device auto"):
        device.choose("cuda")


def test_slurm_says_how_many_processors(monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "7")
    assert device.processors() == 7
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "many")
    assert device.processors() >= 1


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
@pytest.mark.parametrize("asked", [None, 1, 3, 64])
@pytest.mark.parametrize("mine", [1, 2, 3, 4, 16])
def test_threads_and_workers_stay_within_the_processors(mine, asked, kind, monkeypatch, threads):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", str(mine))
    share = device.share_threads(asked, device=kind)
    assert min(share) >= 1
    assert sum(share) <= max(mine, 2)
    assert torch.get_num_threads() == share.threads


def test_auto_is_bf16_where_it_is_able_and_safe(card):
    assert device.precision("auto", card((8, 0)), SMALL) == "bf16"
    assert device.precision("auto", card((7, 5)), SMALL) == "float32"
    assert device.precision("auto", torch.device("cpu"), SMALL) == "float32"


@pytest.mark.parametrize("known", [None, {**SMALL, "noise": 0.03}, {**SMALL, "bias": -0.2}])
def test_auto_is_float32_where_bf16_is_not_known_to_be_safe(card, known):
    assert device.precision("auto", card((9, 0)), known) == "float32"


@pytest.mark.parametrize("word", ["float32", "bf16"])
def test_a_word_means_itself(word):
    assert device.precision(word, torch.device("cpu"), None) == word


def test_a_machine_class_can_be_compared_and_kept():
    made = device.machine_class(torch.device("cpu"), "float32", batch=4, tile=None)
    assert json.loads(json.dumps(made)) == made
    assert made["torch"] == torch.__version__
    assert made != device.machine_class(torch.device("cpu"), "float32", batch=2, tile=None)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
def test_memory_that_is_freed_stays_for_what_comes_next():
    asks = """
import resource, sys
import numpy as np
from medclean.device import keep_memory
if sys.argv[1] == "keep":
    keep_memory()
for _ in range(20):
    many = [np.ones(2**21) for _ in range(4)]
    del many
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""
    kept, given_back = (
        int(run([sys.executable, "-c", asks, word], capture_output=True, check=True).stdout)
        for word in ("keep", "no")
    )
    assert kept < given_back / 2
