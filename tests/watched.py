"""The program run as a process that is watched: what it and its workers take."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Ended(NamedTuple):
    """How a command ended.

    Attributes:
        status: Its exit status.
        text: What it wrote.
        seconds: It took.
        peak: Bytes of memory that it and its children had at once, looked at now and then.
    """

    status: int
    text: str
    seconds: float
    peak: int


def medclean(
    *words: object, cwd: Path, seconds: float, env: Mapping[str, str] | None = None
) -> Ended:
    """Run ``medclean``; TimeoutExpired where it takes longer."""
    program = [sys.executable, "-m", "medclean", *map(str, words)]
    began, peak = time.monotonic(), 0
    with (cwd / "text").open("w+") as text:
        process = subprocess.Popen(
            program, stdout=text, stderr=text, cwd=cwd, env=os.environ | dict(env or {})
        )
        try:
            while process.poll() is None:
                peak = max(peak, _resident(process.pid))
                if time.monotonic() - began > seconds:
                    raise subprocess.TimeoutExpired(program, seconds)
                time.sleep(0.03)
        finally:
            process.kill()
            process.wait()
        text.seek(0)
        return Ended(process.returncode, text.read(), time.monotonic() - began, peak)


def _resident(pid: int) -> int:
    """Bytes of a process and all below it; what they share counts for each."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except (OSError, IndexError):  # it has gone
        return 0
    return pages * _PAGE + sum(map(_resident, children))
