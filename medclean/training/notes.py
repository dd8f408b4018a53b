"""The small JSON files that a run leaves for its next start."""

import json
from pathlib import Path
from typing import Any, TypeVar

from medclean.errors import DataError
from medclean.files import write_whole

N = TypeVar("N", dict[str, Any], list[Any])


def write(path: Path, found: dict[str, Any] | list[Any]) -> None:
    """Put it there, whole or not at all.

    Raises:
        WriteError: It cannot be written.
    """
    write_whole(path, json.dumps(found, indent=1).encode() + b"\n")


def read(path: Path, kind: type[N], *, mend: str) -> N:
    """What ``write`` put there.

    Args:
        path: Of a file that is there.
        kind: What was written: ``dict`` or ``list``.
        mend: What to do about one that is damaged, for the error.

    Raises:
        DataError: It is damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, kind):
            return found
    except (OSError, ValueError):
        pass
    raise DataError(f"{path} is damaged; {mend}")
