"""Where tables are drawn before they are printed."""

import sys
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def offscreen(*, soft_wrap: bool = False) -> "Console":
    """A console as wide and coloured as the terminal, to be captured: it never writes there.

    One that is on standard output does so at the end of a capture, which fails on a full disk.
    """
    from rich.console import Console

    terminal = sys.stdout.isatty() or None  # None: FORCE_COLOR may have a say
    return Console(file=StringIO(), force_terminal=terminal, highlight=False, soft_wrap=soft_wrap)
