"""What a run says about itself: ``job.toml`` and ``log.csv``."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any, TypeAlias

import torch
from torch import Tensor

from medclean.files import write_whole

Row: TypeAlias = dict[str, float]


class Log:
    """``log.csv``: one row an interval, a column a figure; whole after each row.

    Args:
        path: Where it lies.
        upto: Rows of later steps are forgotten: a resumed run makes them again.
        writes: Whether this process is the one that writes it.
    """

    def __init__(self, path: Path, upto: int, *, writes: bool = True) -> None:
        self.path, self.writes = path, writes
        self.rows: list[Row] = []
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as file:
                read = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
            self.rows = [row for row in read if row["step"] <= upto]

    def add(self, row: Row) -> None:
        """Note a row; columns that are new come last."""
        self.rows.append(row)
        self._write()

    def amend(self, more: Row) -> None:
        """Note more about the last row."""
        self.rows[-1] |= more
        self._write()

    def _write(self) -> None:
        if not self.writes:
            return
        text = io.StringIO()
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: f"{v:.6g}" for k, v in row.items()} for row in self.rows)
        write_whole(self.path, text.getvalue().encode())


class Means:
    """Means of losses since they were last taken, and the time of a step."""

    def __init__(self) -> None:
        self._losses: dict[str, list[Tensor]] = {}
        self._steps, self._since = 0, monotonic()

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Those of one step, detached; a GPU is not waited for."""
        for name, loss in losses.items():
            self._losses.setdefault(name, []).append(loss)
        self._steps += 1

    def take(self) -> Row:
        """The means; those that follow begin anew."""
        row = {"seconds a step": (monotonic() - self._since) / self._steps}
        for name, values in self._losses.items():
            row[name] = float(torch.stack(values).float().mean())
        self._losses, self._steps, self._since = {}, 0, monotonic()
        return row


def toml(values: Mapping[str, Any]) -> str:
    """Settings as TOML that ``--config`` reads; what is None is left out."""
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if value is not None]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool | str):
        return json.dumps(value)  # JSON's words and strings are TOML's
    return repr(value)
