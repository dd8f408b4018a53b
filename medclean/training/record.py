"""What a run says about itself: ``job.toml`` and ``log.csv``."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, TypeAlias

import torch
from torch import Tensor

from medclean.errors import DataError
from medclean.files import write_whole
from medclean.jobs._setting import values
from medclean.jobs.train import TrainJob

Row: TypeAlias = dict[str, float]


class Log:
    """``log.csv``: one row an interval, a column a figure; whole after each row.

    Args:
        path: Where it lies.
        upto: Rows of later steps are forgotten: a resumed run makes them again.
        writes: Whether this process is the one that writes it.

    Raises:
        DataError: It is not as it was written.
    """

    def __init__(self, path: Path, upto: int, *, writes: bool = True) -> None:
        self.path, self.writes = path, writes
        self.rows: list[Row] = []
        if path.is_file():
            self.rows = [row for row in _read(path) if row["step"] <= upto]

    def add(self, row: Row) -> None:
        """Note a row, or more about the last one if it is of that step; new columns come last."""
        if self.rows and self.rows[-1]["step"] == row["step"]:
            self.rows[-1] |= row
        else:
            self.rows.append(row)
        self._write()

    def _write(self) -> None:
        if not self.writes:
            return
        text = io.StringIO()
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        for row in self.rows:  # a step is not rounded: a resumed run finds its rows by it
            writer.writerow({k: f"{v:.6g}" for k, v in row.items()} | {"step": int(row["step"])})
        write_whole(self.path, text.getvalue().encode())


def _read(path: Path) -> list[Row]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
        if all("step" in row for row in rows):
            return rows
    except (OSError, ValueError, TypeError, csv.Error):
        pass
    raise DataError(
        f"{path} is not as it was written; move it away, and the run goes on without those rows"
    )


class Means:
    """Means of losses since they were last taken, and the time of a step.

    What comes between two steps, such as a validation, is told by ``begin`` not to count.
    """

    def __init__(self) -> None:
        self._losses: dict[str, list[Tensor]] = {}
        self._steps = 0
        self.begin()

    def begin(self) -> None:
        """Time counts from here on; called where no loss is waiting."""
        self._since = monotonic()

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Those of one step, detached; a GPU is not waited for."""
        for name, loss in losses.items():
            self._losses.setdefault(name, []).append(loss)
        self._steps += 1

    def take(self) -> Row:
        """The means; those that follow begin anew."""
        row = {"seconds a step": (monotonic() - self._since) / self._steps}
        for name, each in self._losses.items():
            row[name] = float(torch.stack(each).float().mean())
        self._losses, self._steps = {}, 0
        self.begin()
        return row


def settings(job: TrainJob) -> bytes:
    """``job.toml``: all settings, with folders that mean the same wherever it is used.

    Whether this start went on is none of them: who repeats the run means another folder.
    """
    folders = {name: str(getattr(job, name).absolute()) for name in ("dataset", "out")}
    return toml(values(replace(job, resume=False)) | folders).encode()


def toml(found: Mapping[str, Any]) -> str:
    """Settings as TOML that ``--config`` reads; what is None is left out."""
    lines = [f"{key} = {_toml(value)}" for key, value in found.items() if value is not None]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool | str):
        return json.dumps(value)  # JSON's words and strings are TOML's
    return repr(value)
