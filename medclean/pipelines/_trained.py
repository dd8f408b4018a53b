"""What a training left: its curves, settings and card, for a page."""

import csv
import json
import tomllib
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from medclean.errors import DataError
from medclean.pipelines import _record
from medclean.report.graphs import curves
from medclean.report.page import Method

_PATHS = ("dataset", "out", "init", "config")  # of the whole machine


def is_training(path: Path) -> bool:
    """Whether a folder is that of a training, begun or ended."""
    return (path / "log.csv").is_file() or (path / "job.toml").is_file()


def each(path: Path) -> list[Path]:
    """The runs in a folder that ``train --seeds`` has ended with; of any other, itself."""
    return sorted(path.glob("seed-*")) if (path / "seeds.json").is_file() else [path]


def training(path: Path, name: str, gaps: list[str], *, identifiable: bool) -> Method:
    """Its curves and facts; what is missing or torn is a gap.

    Raises:
        DataError: It cannot be read.
    """
    try:
        rows = list(_rows(path / "log.csv", gaps))
        job = _toml(path / "job.toml", gaps)
        card = _card(path / "best.json", gaps)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    settings = {k: v for k, v in job.items() if identifiable or k not in _PATHS}
    told: dict[str, Any] = {"architecture": card.get("model"), **_dict(card.get("options"))}
    known = {
        "Settings": settings,
        "Network": told if card else {},
        "Data": {
            "patients": card.get("patients"),
            "body parts": card.get("body_parts"),
            "noise": card.get("noise"),
            "modality": card.get("modality"),
        },
        "Checkpoint": {
            "step": _dict(card.get("training")).get("step"),
            "SHA-256": card.get("sha256"),
            "licence": card.get("licence"),
            "medclean": card.get("version"),
            "torch": _dict(card.get("training")).get("torch"),
        },
    }
    scores = {
        f"{split}, {figure.replace(' ', ' at sigma ')}": value
        for split, found in _dict(card.get("metrics")).items()
        for figure, value in _dict(found).items()
    }
    facts = {
        heading: tuple(_record.facts(values, identifiable=identifiable))
        for heading, values in {**known, "Scores of the card": scores}.items()
    }
    return Method(
        name,
        f"medclean train {job.get('model', '')}".strip(),
        _line(rows, job),
        {heading: lines for heading, lines in facts.items() if lines},
        curves(rows),
        series=False,
    )


def _line(rows: list[dict[str, float]], job: Mapping[str, Any]) -> str:
    if not rows:
        return "no step is logged yet"
    last = rows[-1]
    of = f" of {job['steps']}" if job.get("steps") else ""
    seconds = sum(
        (row["step"] - before.get("step", 0)) * row.get("seconds a step", 0)
        for before, row in zip([{}, *rows], rows, strict=False)
    )
    return f"{last['step']:.0f}{of} steps in {_record.duration(seconds)} of computing"


def _rows(path: Path, gaps: list[str]) -> Iterator[dict[str, float]]:
    """The log as numbers; a row that is torn is left out."""
    if not path.is_file():
        gaps.append("the training has no log.csv: there are no curves")
        return
    with path.open(encoding="utf-8", newline="", errors="replace") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            try:
                values = {k: float(v) for k, v in row.items() if k and v}
                if not isfinite(values["step"]):
                    raise ValueError
            except (ValueError, KeyError, TypeError):
                gaps.append(f"line {number} of log.csv is torn and left out")
            else:
                yield values


def _toml(path: Path, gaps: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        gaps.append("the training has no job.toml that can be read: its settings are not known")
        return {}


def _card(path: Path, gaps: list[str]) -> dict[str, Any]:
    try:
        return _dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        gaps.append("the training has no checkpoint yet, so that nothing is known of its data")
    except ValueError:
        gaps.append("best.json is damaged: nothing is known of the checkpoint")
    return {}


def _dict(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}
