"""Values of cases become figures of patients, of methods, and of methods against each other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isinf, isnan
from types import MappingProxyType
from typing import Any, NamedTuple

from medclean.quality.statistics import (
    Case,
    Difference,
    Spread,
    by_patient,
    differences,
    friedman,
    spread,
)

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
        modality: Of the images: those of several are never mixed, whatever the unit.
        region: Where.
        metric: Which.
        unit: Of it; several units, as of PET in Bq/ml and in counts, are never mixed either.
        result: Of which method.
        spread: Over patients.
        missing: Cases of which another method has the figure and this one has not: where it is not
            0, means are not of the same cases.
    """

    modality: str
    region: str
    metric: str
    unit: str
    result: str
    spread: Spread
    missing: int


@dataclass(frozen=True)
class Comparison:
    """How methods differ in a figure, over those cases that they all or both have.

    Attributes:
        modality: Of the images.
        region: Where.
        metric: Which.
        unit: Of it.
        friedman: p that all rank alike; NaN for fewer than three.
        pairs: Every two of them.
    """

    modality: str
    region: str
    metric: str
    unit: str
    friedman: float
    pairs: tuple[Difference, ...]


def scores_of(
    rows: Iterable[Row], *, seed: int, modalities: Mapping[str, str] = MappingProxyType({})
) -> tuple[list[Score], list[Comparison]]:
    """What the values say over patients, each of whom counts once.

    Args:
        rows: Of all cases.
        seed: Of the bootstrap.
        modalities: Of the cases, as far as they are known.
    """
    scores, comparisons = [], []
    for figure, methods in _by_figure(rows, modalities).items():
        cases = {case for values in methods.values() for case in values}
        scores += [
            Score(
                *figure,
                result,
                spread([*by_patient(values).values()], seed=seed),
                missing=len(cases) - len(values),
            )
            for result, values in methods.items()
        ]
        if len(methods) > 1:
            found = tuple(differences(methods, seed=seed))
            comparisons.append(Comparison(*figure, friedman(methods), found))
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


Methods = dict[str, dict[Case, float]]  # value by case, by result
Figure = tuple[str, str, str, str]  # modality, region, metric and unit


def _by_figure(rows: Iterable[Row], modalities: Mapping[str, str]) -> dict[Figure, Methods]:
    found: dict[Figure, Methods] = {}
    for row in rows:
        figure = (modalities.get(row.case, ""), row.region, row.metric, row.unit)
        methods = found.setdefault(figure, {})
        methods.setdefault(row.result, {})[row.patient, row.case] = row.value
    return found


def _quoted(text: str) -> str:
    """A field of CSV (RFC 4180)."""
    return '"' + text.replace('"', '""') + '"' if set(text) & {'"', ",", "\n"} else text
