"""What ``medclean evaluate -o`` left, as it is read again."""

import csv
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf, nan
from pathlib import Path
from typing import Any

from medclean.errors import DataError, UsageError
from medclean.pipelines._measured import NOISY
from medclean.pipelines._scores import Row


@dataclass(frozen=True)
class Scores:
    """The rows, and what else the file says.

    Attributes:
        rows: Every value.
        gaps: What has no value, and why.
        says: The conventions.
        versions: By package.
        seed: Of the bootstrap.
        modalities: Of the cases, as far as they are known.
    """

    rows: tuple[Row, ...]
    gaps: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    versions: Mapping[str, str] | None = None
    seed: int = 0
    modalities: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Scores":
        """A ``scores.csv`` or ``scores.json``.

        Raises:
            UsageError: It is neither.
            DataError: It is damaged.
        """
        try:
            text = path.read_text(encoding="utf-8")
            if path.suffix.lower() == ".json":
                return cls._of_json(text)
            return replace(cls._of_csv(text), modalities=_modalities(path.with_suffix(".json")))
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}; expected a file to read") from None
        except (ValueError, KeyError, TypeError, csv.Error):
            raise DataError(
                f"{path} is not what `medclean evaluate -o` writes, or not whole; expected a CSV "
                f"with the columns {','.join(Row._fields)}, or the JSON beside it"
            ) from None

    @classmethod
    def _of_json(cls, text: str) -> "Scores":
        said = json.loads(text)
        rows = tuple(_row(row) for row in said["rows"])
        gaps = tuple(_gap(gap) for gap in said.get("gaps", ()))
        return cls(
            rows,
            gaps,
            tuple(map(str, said.get("says", ()))),
            {str(k): str(v) for k, v in said.get("versions", {}).items()},
            int(said.get("job", {}).get("seed", 0)),
            {str(k): str(v) for k, v in said.get("modalities", {}).items()},
        )

    @classmethod
    def _of_csv(cls, text: str) -> "Scores":
        lines = csv.DictReader(text.splitlines())
        if tuple(lines.fieldnames or ()) != Row._fields:
            raise ValueError
        return cls(tuple(_row(line) for line in lines))

    def called(self, names: Mapping[str, str]) -> "Scores":
        """As runs of the same folders are called; as it is where that would mix up methods."""
        known = {name: names[name] for name in self.results if name in names}
        if len({known.get(name, name) for name in self.results}) < len(self.results):
            return self
        return replace(self.renamed(known), gaps=self.gaps)

    def renamed(self, names: Mapping[str, str]) -> "Scores":
        """With other names of the methods; what is said of gaps would tell them."""
        rows = tuple(row._replace(result=names.get(row.result, row.result)) for row in self.rows)
        return replace(self, rows=tuple(sorted(rows)), gaps=())

    @property
    def results(self) -> list[str]:
        """Names of the methods, what they were made from first."""
        names = dict.fromkeys(row.result for row in self.rows)
        return sorted(names, key=lambda name: name != NOISY)


def _row(line: Mapping[str, Any]) -> Row:
    texts = {name: str(line[name]) for name in Row._fields if name != "value"}
    return Row(**texts, value=_number(line["value"]))


def _modalities(path: Path) -> dict[str, str]:
    """Of the cases, as the JSON beside a CSV has them."""
    with suppress(OSError, ValueError, AttributeError, KeyError):
        return {str(k): str(v) for k, v in json.loads(path.read_bytes())["modalities"].items()}
    return {}


def _number(value: object) -> float:
    """NaN for what has no value."""
    words = {"inf": inf, "-inf": -inf, "None": nan}
    return words[str(value)] if str(value) in words else float(str(value))


def _gap(gap: Mapping[str, Any]) -> str:
    what = f"{gap['metric']} in {gap['region']}" if gap.get("metric") else "nothing"
    verb = "has no value" if gap.get("metric") else "could be compared"
    return f"{gap['result']}, {gap['case']}: {what} {verb}: {gap['why']}"
