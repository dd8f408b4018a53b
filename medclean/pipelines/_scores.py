"""Values of cases become figures of patients, of methods, and of methods against each other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import fsum, isinf, isnan
from typing import Any, NamedTuple

from medclean.quality.statistics import Difference, Spread, differences, friedman, spread

DIGITS = 9  # significant ones of a value in a file


class Row(NamedTuple):
    """A value of a case: a line of ``scores.csv``, whose columns these are."""

    result: str
    patient: str
    case: str
    region: str
    metric: str
    value: float
    unit: str


@dataclass(frozen=True)
class Gap:
    """What has no value, and why; names nothing that could identify.

    Attributes:
        result: Whose.
        case: Of which reference.
        why: A sentence.
        metric: What could not be told; ``""`` for nothing at all.
        region: Where; ``""`` likewise.
    """

    result: str
    case: str
    why: str
    metric: str = ""
    region: str = ""


@dataclass(frozen=True)
class Score:
    """A figure of a method over patients.

    Attributes:
        region: Where.
        metric: Which.
        unit: Of it; several units, as of CT and MR together, are never mixed.
        result: Of which method.
        spread: Over patients.
    """

    region: str
    metric: str
    unit: str
    result: str
    spread: Spread


@dataclass(frozen=True)
class Comparison:
    """How methods differ in a figure.

    Attributes:
        region: Where.
        metric: Which.
        unit: Of it.
        friedman: p that all rank alike; NaN for fewer than three.
        pairs: Every two of them.
    """

    region: str
    metric: str
    unit: str
    friedman: float
    pairs: tuple[Difference, ...]


def scores_of(rows: Iterable[Row], *, seed: int) -> tuple[list[Score], list[Comparison]]:
    """What the values say over patients, each of whom counts once."""
    scores, comparisons = [], []
    for (region, metric, unit), methods in _by_patient(rows).items():
        scores += [
            Score(region, metric, unit, result, spread([*values.values()], seed=seed))
            for result, values in methods.items()
        ]
        if len(methods) > 1:
            found = tuple(differences(methods, seed=seed))
            comparisons.append(Comparison(region, metric, unit, friedman(methods), found))
    return scores, comparisons


def as_csv(rows: Sequence[Row]) -> str:
    """The rows with a header; infinity is ``inf``."""
    lines = [Row._fields, *((*row[:5], f"{row.value:.{DIGITS}g}", row.unit) for row in rows)]
    return "".join(",".join(map(_quoted, line)) + "\n" for line in lines)


def as_json(value: Any) -> Any:
    """A dataclass, or a mapping or list of such, as JSON can hold it: NaN is null, inf a word."""
    if isinstance(value, Row):
        return as_json(value._asdict())
    if hasattr(value, "__dataclass_fields__"):
        return as_json(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): as_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(part) for part in value]
    if isinstance(value, float):
        if isnan(value):
            return None
        return ("inf" if value > 0 else "-inf") if isinf(value) else float(f"{value:.{DIGITS}g}")
    return value


Methods = dict[str, dict[str, float]]  # value by patient, by result


def _by_patient(rows: Iterable[Row]) -> dict[tuple[str, str, str], Methods]:
    """By region, metric and unit: the mean over the cases of each patient."""
    cases: dict[tuple[str, str, str], dict[str, dict[str, list[float]]]] = {}
    for row in rows:
        figure = cases.setdefault((row.region, row.metric, row.unit), {})
        figure.setdefault(row.result, {}).setdefault(row.patient, []).append(row.value)
    return {
        figure: {
            result: {patient: fsum(values) / len(values) for patient, values in patients.items()}
            for result, patients in results.items()
        }
        for figure, results in cases.items()
    }


def _quoted(text: str) -> str:
    """A field of CSV (RFC 4180)."""
    return '"' + text.replace('"', '""') + '"' if set(text) & {'"', ",", "\n"} else text
