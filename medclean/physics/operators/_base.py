"""What every forward model can do."""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

Map: TypeAlias = Callable[[Tensor], Tensor]


class Operator(Protocol):
    """A linear map ``A`` from images to what is measured: ``<A x, y> = <x, A* y>``."""

    def forward(self, images: Tensor) -> Tensor:
        """``A x`` of images ``(N, 1, H, W)``."""
        ...

    def adjoint(self, data: Tensor) -> Tensor:
        """``A* y``, ``(N, 1, H, W)``."""
        ...


class Linear(torch.autograd.Function):
    """A linear map whose derivative is its adjoint: differentiable however often.

    What is computed inside remembers nothing, so that memory does not grow with it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, apply: Map, adjoint: Map) -> Tensor:
        """``apply(x)``; ``adjoint`` is for the way back."""
        ctx.maps = adjoint, apply
        return apply(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """The adjoint of the gradient."""
        return Linear.apply(gradient, *ctx.maps), None, None
