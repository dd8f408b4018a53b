"""What the user reads when something fails, and the exit status that a script gets."""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from types import FrameType

from typer.exceptions import TyperException

from medclean.errors import AGAIN, Exit, MedcleanError
from medclean.log import printable
from medclean.signals import STOPPING

_UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}
_BUG = """\
medclean: bug: {kind}, at the last line above. Nothing that was finished is lost.
Please report these lines and the command; they hold no patient data. The message of the error
may: it is left out, unless MEDCLEAN_DEBUG=1 is set."""


def heed_signals() -> None:
    """See to it that SIGTERM and its like are explained, too, while nothing else handles them."""
    for number in STOPPING:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _stop)


def explain(error: BaseException, *, debug: bool = False) -> Exit:
    """Tell on stderr what failed; one line, but for a bug.

    Args:
        error: Whatever ended the command.
        debug: Show the whole of a bug, although messages of errors may hold values of tags.

    Returns:
        The exit status that it means.
    """
    match error:
        case MedcleanError():
            return _say(str(error), error.status)
        case TyperException():
            context = getattr(error, "ctx", None)
            path = context.command_path if context else "medclean"
            return _say(f"{error.format_message()} (see '{path} --help')", Exit.USAGE)
        case ImportError(name=str(package)) if not package.startswith("medclean"):
            return _say(f"cannot import {package}: {error}; see `medclean doctor`", Exit.MISSING)
        case KeyboardInterrupt():
            return _say(f"stopped by Ctrl-C; {AGAIN} to go on", Exit.INTERRUPTED)
        case MemoryError():
            return _say("out of memory; try fewer --workers, --batch 1 or --tile 256", Exit.BUG)
        case OSError(errno=number) if number in _UNWRITABLE:
            where = f"{error.filename}: " if error.filename else ""
            return _say(f"{where}{error.strerror}; free space or permission", Exit.CANNOT_WRITE)
    kind = type(error).__qualname__
    print("".join(traceback.format_exception(error) if debug else _silent(error)), file=sys.stderr)
    print(_BUG.format(kind=kind), file=sys.stderr)
    return Exit.BUG


def _stop(number: int, _: FrameType | None) -> None:
    """Leave at once: raised in the middle of an import, an error could come out as another one."""
    interrupted = number == signal.SIGINT
    name = "Ctrl-C" if interrupted else signal.Signals(number).name
    status = _say(
        f"stopped by {name}; {AGAIN} to go on", Exit.INTERRUPTED if interrupted else Exit.STOPPED
    )
    sys.stderr.flush()
    os._exit(status)


def _say(text: str, status: Exit) -> Exit:
    print(f"medclean: error: {printable(text)}", file=sys.stderr)
    return status


def _silent(error: BaseException) -> Iterator[str]:
    """The lines of code that an error and its causes came through, without their messages."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause:
        yield from _silent(cause)
        yield "which led to\n"
    yield from traceback.format_tb(error.__traceback__)
    yield from (n for n in getattr(error, "__notes__", ()) if n.startswith("in a worker:"))
    yield f"{type(error).__module__}.{type(error).__qualname__}\n"
