"""Which series one of several jobs does."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from medclean.errors import UsageError

_ARRAY = "SLURM_ARRAY_TASK_"


@dataclass(frozen=True)
class Shard:
    """The number-th of so many parts of a job, each done by a process of its own.

    Attributes:
        number: From 1 to ``of``.
        of: How many parts there are.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise UsageError(f"shard {self.number}/{self.of}: expected I/N with I from 1 to N")

    @classmethod
    def parse(cls, text: str, environ: Mapping[str, str]) -> "Shard | None":
        """What ``--shard`` means here; None is the whole job.

        Args:
            text: ``"3/16"``, ``"off"``, or ``"auto"``: this task's place in a SLURM array, and
                the whole job outside one.
            environ: Where SLURM says it.

        Raises:
            UsageError: Neither of these, or an array whose ids are not MIN, MIN+STEP, ... MAX.
        """
        if text == "off" or (text == "auto" and not in_array(environ)):
            return None
        if text == "auto":
            return cls._of_array(environ)
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if not match:
            raise UsageError(f"--shard {text!r}: expected I/N such as 3/16, auto or off")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def _of_array(cls, environ: Mapping[str, str]) -> "Shard":
        names = ("ID", "MIN", "MAX", "STEP", "COUNT")
        try:
            task, least, most, step, count = (int(environ[_ARRAY + name]) for name in names)
            number, left = divmod(task - least, step)
            whole = not left and count == (most - least) // step + 1
        except (KeyError, ValueError, ZeroDivisionError):
            whole = False
        if not whole:
            said = ", ".join(f"{name} {environ.get(_ARRAY + name, '?')}" for name in names)
            raise UsageError(
                f"--shard auto: the ids of this SLURM array ({said}) are not MIN, MIN+STEP, ... "
                "MAX; state --shard I/N"
            )
        return cls(number + 1, count)

    def __str__(self) -> str:
        """As it stands in file names: ``03-of-16``."""
        return f"{self.number:0{len(str(self.of))}}-of-{self.of}"


def in_array(environ: Mapping[str, str]) -> bool:
    """Whether this process is a task of a SLURM array."""
    return _ARRAY + "ID" in environ


def unsharded(shard: Shard | None, environ: Mapping[str, str]) -> str | None:
    """The line for a task of an array that is about to do what all the others do, or None."""
    if shard or not in_array(environ):
        return None
    task = environ[_ARRAY + "ID"]
    return f"task {task} of a SLURM array does the whole job; --shard auto would share it"


class Division:
    """How the series of a job are dealt out, alike in every shard.

    They are dealt in turn in the order of their keys. That order is what the first shard found and
    left for the others, who may start when more has arrived: what it did not find goes by its own
    hash, so that nothing is done twice, or by nobody.

    Args:
        shard: Which part is ours; None is all.
        order: Keys of the series that the first shard found, sorted.
    """

    def __init__(self, shard: Shard | None, order: Iterable[str] = ()) -> None:
        self.shard = shard
        self._place = {key: place for place, key in enumerate(order)}

    def owns(self, key: str) -> bool:
        """Whether a series, or a file that belongs to none, is ours to do."""
        if self.shard is None:
            return True
        place = self._place.get(key)
        if place is None:
            place = int(sha256(key.encode(errors="surrogateescape")).hexdigest()[:12], 16)
        return place % self.shard.of == self.shard.number - 1
