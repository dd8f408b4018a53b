"""Where a training computes, in which precision, and who makes its batches."""

from typing import Literal, NamedTuple

import torch

from medclean import device
from medclean.learning.stepper import Precision
from medclean.training.world import World

ALONE = World()


class Machine(NamedTuple):
    """What a run computes with.

    Attributes:
        device: Where the networks are.
        precision: What autocast computes in.
        workers: Processes that make batches ahead; 0 for none.
    """

    device: torch.device
    precision: Precision
    workers: int


def machine(
    asked: str,
    precision: Literal["auto"] | Precision,
    workers: int | None,
    *,
    tf32: bool = False,
    world: World = ALONE,
) -> Machine:
    """The machine that these words mean; torch's threads and products are set here.

    Of several processes each has a GPU of its own, or its part of the processors. A processor that
    computes makes the batches in between, which costs a few percent of a step; one
    that feeds a GPU does nothing else. Auto is bfloat16 where the hardware multiplies it.

    Raises:
        UsageError: No such device.
        MissingError: The device is not here.
    """
    where = device.choose(asked)
    if where.type == "cuda" and world.size > 1 and asked in ("auto", "cuda"):
        where = torch.device("cuda", world.local % torch.cuda.device_count())
        torch.cuda.set_device(where)
    own = max(1, device.processors() // world.sharing)
    if workers is None:
        workers = 0 if where.type == "cpu" else min(own - 1, 8)
    torch.set_num_threads(max(1, own - workers))
    device.keep_memory()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    if precision == "auto":
        precision = "bf16" if _multiplies(where) else "float32"
    return Machine(where, precision, workers)


def _multiplies(where: torch.device) -> bool:
    """Whether this device has instructions for bfloat16."""
    if where.type == "cuda":
        return torch.cuda.get_device_capability(where) >= (8, 0)
    can = torch.cpu.get_capabilities() if where.type == "cpu" else {}
    return bool(can.get("avx512_bf16") or can.get("amx_bf16"))
