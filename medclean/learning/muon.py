"""Muon: momentum whose updates of matrices are made orthogonal (Jordan et al., 2024)."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

_SMALLEST = 8  # rows and columns; what is narrower has no directions to even out
_STEPS = 5
_QUINTIC = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """Moves all directions of a layer alike, however uneven the gradient is among them.

    The weights of a convolution or a linear layer are a matrix: a row for each channel of their
    first axis, the outputs' (of a transposed convolution the inputs'). What moves it is not its
    momentum but the orthogonal matrix that is nearest to that, scaled to a root mean square of
    0.2, as Adam's updates have (Liu et al., 2025): both take the same learning rates. Biases,
    scales and matrices of fewer than 8 rows or columns move by Adam; first and last layers of
    images, which Jordan et al. leave to Adam, are matrices like all others.

    Args:
        params: What learns.
        lr: Learning rate.
        betas: Of Adam.
        momentum: Share of the last momentum in the next, of matrices (Nesterov).
        eps: Keeps Adam from dividing by 0.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 2e-4,
        betas: tuple[float, float] = (0.9, 0.999),
        momentum: float = 0.95,
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "momentum": momentum, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move what has a gradient; returns what ``closure`` returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is not None:
                    move = self._by_muon if _is_matrix(weights) else self._by_adam
                    weights.sub_(group["lr"] * move(weights, weights.grad, group))
        return loss

    def _by_muon(self, weights: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state, momentum = self.state[weights], group["momentum"]
        if not state:
            state["mean"] = torch.zeros_like(weights)
        mean = state["mean"].lerp_(gradient, 1 - momentum)
        matrix = torch.lerp(gradient, mean, momentum).flatten(1)
        return 0.2 * max(matrix.shape) ** 0.5 * orthogonal(matrix).view_as(weights)

    def _by_adam(self, weights: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state, betas = self.state[weights], group["betas"]
        if not state:
            state["step"] = torch.zeros(())
            state["mean"], state["square"] = torch.zeros_like(weights), torch.zeros_like(weights)
        state["step"] += 1
        mean = state["mean"].lerp_(gradient, 1 - betas[0])
        square = state["square"].lerp_(gradient * gradient, 1 - betas[1])
        count = state["step"].item()
        mean, square = mean / (1 - betas[0] ** count), square / (1 - betas[1] ** count)
        return mean / (square.sqrt() + group["eps"])


def orthogonal(matrix: Tensor) -> Tensor:
    """The orthogonal matrix that is nearest to ``(m, n)``, about.

    Singular vectors stay. Singular values above a hundredth of the norm become 0.7 to 1.2, which
    serves as well as 1: five Newton-Schulz steps of a polynomial that is steep at 0.
    """
    wide = matrix.shape[0] <= matrix.shape[1]
    found = matrix if wide else matrix.T
    found = found / (found.norm() + 1e-7)
    linear, cubic, quintic = _QUINTIC
    for _ in range(_STEPS):
        gram = found @ found.T
        found = linear * found + (cubic * gram + quintic * gram @ gram) @ found
    return found if wide else found.T


def _is_matrix(weights: Tensor) -> bool:
    return weights.ndim > 1 and min(weights.flatten(1).shape) >= _SMALLEST
