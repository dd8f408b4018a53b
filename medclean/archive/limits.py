"""What a file may ask of this machine, however small it is; one that asks for more fails alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Self

from medclean.options import build, parse

_UNITS = {"": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
_LEAST_MEMORY = 2 << 30  # what the libraries of a worker map before it reads anything
_MOST_NESTING = 150  # beyond it Python's own stack may end


class Size(int):
    """Bytes, as in ``256MiB``."""

    def __new__(cls, value: str | int) -> Self:
        """From text or a number; ValueError where it is none."""
        found = re.fullmatch(r"(\d+)\s*([KMG]iB|)", str(value), re.IGNORECASE)
        if not found:
            raise ValueError(value)
        return super().__new__(cls, int(found[1]) * _UNITS[found[2].upper()])

    def __str__(self) -> str:
        fitting = (unit for unit, size in _UNITS.items() if self and not self % size)
        unit = max(fitting, key=_UNITS.__getitem__, default="")
        return f"{self // _UNITS[unit]}{unit.replace('I', 'i')}"

    def __repr__(self) -> str:
        return f"Size({int(self)})"


@dataclass(frozen=True)
class Limits:
    """The caps, with their defaults.

    Attributes:
        inflated: Bytes that a deflated data set may have: zeros are packed 1000 to 1.
        pixels: Bytes that the decoded pixels of one file may have: more than native ones can
            (4 GiB), and less than 65535 x 65535 of them need twice.
        frames: Images of one DICOM file; each costs time, and may have a single pixel.
        nesting: Sequences within each other.
        seconds: That a file may take to be read or written; damaged ones can hang a decoder.
        memory: Address space of a process that reads and writes; 0 is an even share of the memory.
    """

    inflated: Size = Size("256MiB")
    pixels: Size = Size("6GiB")
    frames: int = 1 << 16
    nesting: int = 64
    seconds: float = 120
    memory: Size = Size(0)

    def __post_init__(self) -> None:
        for name in ("inflated", "pixels", "frames", "nesting", "seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected more than 0")
        if self.nesting > _MOST_NESTING:
            raise ValueError(f"nesting is {self.nesting}, expected at most {_MOST_NESTING}")
        if 0 < self.memory < _LEAST_MEMORY:
            raise ValueError(
                f"memory is {self.memory!s}, expected at least {Size(_LEAST_MEMORY)!s}"
            )

    @classmethod
    def of(cls, text: str | None) -> Self:
        """``"pixels=12GiB,seconds=600"``; what is not named has its default.

        Raises:
            UsageError: No such limit, or no such value.
        """
        return build(cls, parse(f"limits:{text or ''}")[1], "--limits")

    def passed(self, name: str) -> str:
        """How a message ends that says that a file is beyond a limit."""
        return f"the limit is {getattr(self, name)!s}, --limits {name}=... raises it"

    def items(self) -> Iterator[tuple[str, str]]:
        """Names and values."""
        return ((field.name, str(getattr(self, field.name))) for field in fields(self))


_CURRENT = ContextVar("limits", default=Limits())


def limits() -> Limits:
    """Those that hold here and now."""
    return _CURRENT.get()


@contextmanager
def limited(to: Limits) -> Iterator[None]:
    """Have other limits hold in a block, and in the workers that are made in it."""
    token = _CURRENT.set(to)
    try:
        yield
    finally:
        _CURRENT.reset(token)
