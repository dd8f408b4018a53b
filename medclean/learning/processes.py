"""What several processes do together, where there are several."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from medclean.errors import MedcleanError

R = TypeVar("R")


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


def spread(tensors: Mapping[str, Tensor]) -> None:
    """Give all processes the values of the first, in place."""
    if world_size() > 1:
        for tensor in tensors.values():
            dist.broadcast(tensor, 0)


def agree(flag: bool) -> bool:
    """Whether any process says so; all ask at the same moment."""
    if world_size() == 1:
        return flag
    said = torch.tensor(int(flag))
    dist.all_reduce(said, dist.ReduceOp.MAX)
    return bool(said)


def gather(value: R) -> list[R]:
    """What each process has, in order of rank; all processes get all."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def by_first(work: Callable[[], R]) -> R:
    """Have the first process do something, and all return, or raise, what it does.

    Args:
        work: Its result can be pickled.
    """
    if world_size() == 1:
        return work()
    outcome: list[Any] = [None, None]
    bug: Exception | None = None
    if rank() == 0:
        try:
            outcome[0] = work()
        except MedcleanError as error:
            outcome[1] = error
        except Exception as error:  # a bug: the others are told, so that they do not wait for ever
            outcome[1], bug = RuntimeError("the first process failed"), error
    dist.broadcast_object_list(outcome, 0)
    if outcome[1] is not None:
        raise bug or outcome[1]
    result: R = outcome[0]
    return result


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()
