"""What several processes do together, where there are several."""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import nn


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if _several() else 0


def world_size() -> int:
    """How many processes learn together."""
    return dist.get_world_size() if _several() else 1


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Average gradients over all processes; a missing one counts as zero."""
    if world_size() == 1 or not parameters:
        return
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= world_size()
    parts = flat.split([p.numel() for p in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()
