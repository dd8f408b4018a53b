"""Text as man pages want it."""

import re


def text(said: str) -> str:
    """A line of roff that shows this text; `code` becomes bold."""
    said = " ".join(said.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").split())
    said = re.sub(r"`([^`]+)`", r"\\fB\1\\fR", said)
    return rf"\&{said}" if said.startswith((".", "'")) else said
