"""What to do when a training step needs more memory than there is."""

from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from medclean.errors import MissingError
from medclean.inference.ladder import is_out_of_memory
from medclean.learning.batch import Batch
from medclean.learning.processes import world_size
from medclean.learning.stepper import Stepper


def too_large(stepper: Stepper, batch: Batch) -> MissingError:
    """The error for a batch that did not fit, which names the largest one that does.

    Halves of it are tried by taking real steps: the stepper is of no use afterwards. One of several
    processes tries nothing, for the others would wait for it.
    """
    count, (height, width) = len(batch.noisy), batch.noisy.shape[-2:]
    what = f"a batch of {count} patches of {height}x{width} does not fit into memory"
    if world_size() > 1:
        return MissingError(f"{what}; try a smaller --batch with more --accumulate, or --recompute")
    fitting = next(_fitting(stepper, batch), None)
    if fitting is None:
        return MissingError(f"{what}, nor does one alone; try a smaller --patch, or --recompute")
    times = -(-count * stepper.accumulate // fitting)
    return MissingError(f"{what}; --batch {fitting} --accumulate {times} does, or try --recompute")


def _fitting(stepper: Stepper, batch: Batch) -> Iterator[int]:
    """Sizes that fit, of a half, a quarter and so on."""
    count = len(batch.noisy)
    while count := count // 2:
        if batch.noisy.is_cuda:
            torch.cuda.empty_cache()
        try:
            stepper.step(repeat(_first(batch, count)))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            yield count


def _first(batch: Batch, count: int) -> Batch:
    """The first images of a batch."""
    each = {f.name: getattr(batch.given, f.name) for f in fields(batch.given)}
    own: dict[str, Any] = {
        k: v[:count] for k, v in each.items() if isinstance(v, Tensor) and v.ndim
    }
    optional = (batch.reference, batch.teacher)
    reference, teacher = (None if images is None else images[:count] for images in optional)
    given = replace(batch.given, **own)
    return Batch(batch.noisy[:count], given, reference, teacher)
