"""What is tried, in order, when memory runs out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

_SAID = ("can't allocate memory", "ALLOC_FAILED", "out of memory")  # CPU, cuDNN and cuBLAS, MPS
TILES = (512, 256)  # pixels; narrower ones cost more in overlap than they save


@dataclass(frozen=True)
class Rung:
    """How slices go through a model.

    Attributes:
        device: As torch spells it: ``"cuda:0"``.
        batch: Slices computed together.
        tile: Width of a tile in pixels; None for whole slices.
    """

    device: str
    batch: int
    tile: int | None = None

    def __str__(self) -> str:
        size = f"tiles of {self.tile}" if self.tile else "whole slices"
        return f"{self.device}, batch {self.batch}, {size}"


class OutOfMemory(Exception):
    """A batch did not fit; the next rung may."""


def below(rung: Rung, *, by_slice: bool) -> Iterator[Rung]:
    """The rungs under one: half the batch down to one slice, then tiles, then the CPU.

    Args:
        rung: What did not fit.
        by_slice: Whether the model takes batches of slices; else only another device helps.
    """
    if by_slice:
        while rung.batch > 1:
            rung = replace(rung, batch=rung.batch // 2)
            yield rung
        for tile in TILES:
            if rung.tile is None or tile < rung.tile:
                yield replace(rung, tile=tile)
    if rung.device != "cpu":
        yield Rung("cpu", 1)


@contextmanager
def running_out_as(error: Callable[[], Exception]) -> Iterator[None]:
    """Raise another error where memory runs out in the block."""
    try:
        yield
    except (RuntimeError, MemoryError) as found:
        if not is_out_of_memory(found):
            raise
        raise error() from found


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or numpy says that memory ran out."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _SAID)
