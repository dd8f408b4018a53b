"""Updates of matrices are orthogonal, and all else moves by Adam."""

import numpy as np
import pytest
import torch
from torch import nn

from medclean.learning.muon import Muon, orthogonal
from medclean.learning.stepper import Stepper
from tiny import play, tiny


def gradient(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def moved(weights, gradients, optimiser):
    """What is added to weights by as many steps as there are gradients."""
    weights = nn.Parameter(weights.clone())
    before, optimiser = weights.detach().clone(), optimiser([weights])
    for each in gradients:
        weights.grad = each.clone()
        optimiser.step()
    return weights.detach() - before


@pytest.mark.parametrize("shape", [(16, 144), (64, 16), (32, 32)])
def test_singular_values_come_near_one_and_vectors_stay(shape):
    matrix = gradient(*shape) @ torch.diag(torch.logspace(0, -2, shape[1]))  # uneven directions
    left, sizes, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.T @ orthogonal(matrix) @ right.T
    values = found.diagonal()
    assert (found - torch.diag(values)).abs().max() < 1e-3
    assert values.max() < 1.3
    assert values[sizes > 0.01 * sizes.norm()].min() > 0.6


def by_hand(gradients):
    """Nesterov's momentum, orthogonal by five steps, in float64; root mean square about 0.2."""
    mean, weights = np.zeros(gradients[0].shape), np.zeros(gradients[0].shape)
    for each in (gradient.double().numpy() for gradient in gradients):
        mean = 0.95 * mean + 0.05 * each
        found = 0.05 * each + 0.95 * mean
        found /= np.linalg.norm(found)
        for _ in range(5):
            square = found @ found.T
            found = 3.4445 * found - 4.7750 * square @ found + 2.0315 * square @ square @ found
        weights -= 2e-4 * 0.2 * max(each.shape) ** 0.5 * found
    return torch.from_numpy(weights).float()


@pytest.mark.parametrize("shape", [(8, 9), (16, 144)])
def test_three_steps_are_those_by_hand(shape):
    gradients = [gradient(*shape, seed=step) for step in range(3)]
    change = moved(torch.zeros(shape), gradients, Muon)
    torch.testing.assert_close(change, by_hand(gradients), rtol=1e-3, atol=1e-7)


def test_a_zero_gradient_moves_nothing():
    assert moved(torch.ones(8, 8), [torch.zeros(8, 8)], Muon).eq(0).all()


def test_updates_of_matrices_are_as_large_as_those_of_adam():
    change = moved(torch.zeros(16, 16, 3, 3), [gradient(16, 16, 3, 3)], lambda p: Muon(p, lr=1e-3))
    assert change.square().mean().sqrt() == pytest.approx(0.2e-3, rel=0.15)


def test_the_scale_of_gradients_does_not_matter():
    small, large = ([scale * gradient(8, 72, seed=s) for s in range(3)] for scale in (1e-3, 1e3))
    weights = torch.zeros(8, 72)
    torch.testing.assert_close(moved(weights, small, Muon), moved(weights, large, Muon))


@pytest.mark.parametrize("shape", [(16,), (1, 16, 3, 3), (4, 8)])
def test_what_is_no_matrix_moves_by_adam(shape):
    gradients = [gradient(*shape, seed=step) for step in range(3)]
    adam = moved(torch.zeros(shape), gradients, lambda p: torch.optim.Adam(p, lr=2e-4))
    torch.testing.assert_close(moved(torch.zeros(shape), gradients, Muon), adam)


def test_uneven_directions_are_learnt_sooner_than_by_adam():
    """A linear map whose inputs differ by a factor of a hundred, in a turned frame."""
    turn, _ = torch.linalg.qr(gradient(32, 32))
    inputs = gradient(512, 32, seed=1) * torch.logspace(0, -2, 32) @ turn
    aim = gradient(32, 32, seed=2)
    left = {}
    for optimiser in (Muon, torch.optim.Adam):
        weights = nn.Parameter(torch.zeros(32, 32))
        learner = optimiser([weights], lr=0.05)
        for _ in range(300):
            loss = (inputs @ (weights - aim)).square().mean()
            learner.zero_grad()
            loss.backward()
            learner.step()
        left[optimiser] = float((weights - aim).square().mean().detach())
    assert left[Muon] < 0.2 * left[torch.optim.Adam]


def test_the_state_of_a_run_has_both_kinds_of_momentum():
    stepper = Stepper(tiny("dgan", optimiser="muon"), steps=1)
    play(stepper, 1)
    assert {"mean", "square"} <= {key.rpartition(".")[2] for key in stepper.training_state()}
