"""What can go wrong, and the exit status that it gives."""

from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntEnum

AGAIN = "run the same command again"  # what most commands need to go on


class Exit(IntEnum):
    """Exit statuses that scripts rely on; where several hold, the first in this list is given."""

    INTERRUPTED = 130
    STOPPED = 75
    BUG = 1
    USAGE = 2
    CANNOT_WRITE = 6
    MISSING = 5
    GATE_CROSSED = 7
    PARTIAL = 8
    BAD_DATA = 4
    NOTHING_TO_DO = 3
    DONE = 0

    @classmethod
    def of(cls, statuses: Iterable["Exit"]) -> "Exit":
        """The one status of a run in which all of these hold."""
        rank = {status: place for place, status in enumerate(cls)}
        return min(statuses, key=rank.__getitem__, default=cls.DONE)


class MedcleanError(Exception):
    """A failure that one line explains to the user; any other exception is a bug."""

    status = Exit.BUG


class UsageError(MedcleanError):
    """The request cannot be carried out as written: a wrong name, value or combination."""

    status = Exit.USAGE


class NothingToDo(MedcleanError):
    """The paths exist, and hold nothing that the request is about."""

    status = Exit.NOTHING_TO_DO


class DataError(MedcleanError):
    """The input is not what it claims to be, or not what the request needs."""

    status = Exit.BAD_DATA


class MissingError(MedcleanError):
    """Something that has to be there is not: a checkpoint, a codec, a program, a device."""

    status = Exit.MISSING


class WriteError(MedcleanError):
    """The output cannot be written: permission, full disk, or a running job that holds it.

    Args:
        what: What happened, and what to do instead if the same request cannot go on.
        mend: What to do before it can, if it can.

    Attributes:
        again: How it goes on then; a command that needs other words than most sets it.
    """

    status = Exit.CANNOT_WRITE
    again = AGAIN

    def __init__(self, what: str, *, mend: str = "") -> None:
        super().__init__(what)
        self.mend = mend

    def __str__(self) -> str:
        what = super().__str__()
        return f"{what}; {self.mend}, then {self.again}" if self.mend else what


class GateCrossed(MedcleanError):
    """A limit that the user set was crossed, or a training diverged."""

    status = Exit.GATE_CROSSED


class Stopped(MedcleanError):
    """A signal asked the run to stop; running the same command again goes on."""

    def __init__(self, message: str, status: Exit) -> None:
        super().__init__(message)
        self.status = status


def unknown(what: str, word: str, known: Iterable[str], *, of: str = "") -> UsageError:
    """The error for a word that is none of the known ones; suggests the nearest.

    Args:
        what: What the word should have named: ``"model"``.
        word: As the user wrote it.
        known: All that would have been understood.
        of: What it is one of, if of anything: ``"nlm"``, which has options.
    """
    known = list(known)
    near = get_close_matches(word, known, 1) or [one for one in known if one == word.casefold()]
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
    return UsageError(
        f"{of} has no {what} {word!r}; {hint}" if of else f"no {what} {word!r}; {hint}"
    )
