"""Several processes learn what one does."""

from dataclasses import replace
from itertools import islice

import numpy as np
import torch.distributed as dist
from torch import multiprocessing
from torch.nn.utils import parameters_to_vector

from medclean.learning.processes import rank, world_size
from medclean.learning.stepper import Stepper
from tiny import batches, tiny

STEPS = 5


def learn(number, world, folder):
    """Some steps with this process's share of every batch."""
    if world > 1:
        meeting = f"file://{folder}/meeting"
        dist.init_process_group("gloo", init_method=meeting, rank=number, world_size=world)
    assert (rank(), world_size()) == (number, world)
    model = tiny("rrg")
    stepper = Stepper(model, steps=STEPS, lr=1e-3)
    for batch in islice(batches(), STEPS):
        noisy, clean = (part.chunk(world)[number] for part in (batch.noisy, batch.clean))
        stepper.step(iter([replace(batch, noisy=noisy, reference=clean)]))
    np.save(folder / f"{number}-of-{world}.npy", weights(model))


def weights(model):
    return parameters_to_vector(model.parameters()).detach().numpy()


def test_two_processes_learn_what_one_does(tmp_path):
    learn(0, 1, tmp_path)
    multiprocessing.start_processes(learn, (2, tmp_path), nprocs=2, start_method="fork")
    alone, first, second = (np.load(tmp_path / f"{n}.npy") for n in ("0-of-1", "0-of-2", "1-of-2"))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, alone, atol=1e-5)
    assert np.abs(alone - weights(tiny("rrg"))).max() > 1e-3
