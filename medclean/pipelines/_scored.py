"""What ``medclean evaluate`` left, as graphs and tables."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf, isfinite, isnan, nan
from pathlib import Path
from statistics import median
from typing import Any

from medclean.catalog import METRICS
from medclean.errors import DataError, UsageError
from medclean.pipelines._measured import NOISY
from medclean.pipelines._scores import Row, Score, scores_of
from medclean.quality.statistics import Spread
from medclean.report import graphs
from medclean.report.graphs import Point
from medclean.report.page import Graph, Section, Table
from medclean.report.svg import number

SHOWN = ("psnr", "ssim", "rmse")  # which most readers look for; the others are folded
AGREEMENT = "A dot is a case; how far two methods differ, and whether that depends on the value."
FAR = 3.5  # robust standard deviations from the median (Iglewicz and Hoaglin, 1993)
ROWS = 200  # of a table of outliers
_ARROWS = {"higher": "\N{UPWARDS ARROW}", "lower": "\N{DOWNWARDS ARROW}"}
_TESTED = "p: Wilcoxon's signed-rank test, after Holm."
_TITLES = {"psnr": "PSNR", "ssim": "SSIM", "rmse": "RMSE", "nmse": "NMSE", "mae": "MAE"}


@dataclass(frozen=True)
class Scores:
    """The rows, and what else the file says.

    Attributes:
        rows: Every value.
        gaps: What has no value, and why.
        says: The conventions.
        versions: By package.
        seed: Of the bootstrap.
    """

    rows: tuple[Row, ...]
    gaps: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    versions: Mapping[str, str] | None = None
    seed: int = 0

    @classmethod
    def read(cls, path: Path) -> "Scores":
        """A ``scores.csv`` or ``scores.json``.

        Raises:
            UsageError: It is neither.
            DataError: It is damaged.
        """
        try:
            text = path.read_text(encoding="utf-8")
            return cls._of_json(text) if path.suffix.lower() == ".json" else cls._of_csv(text)
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
        )

    @classmethod
    def _of_csv(cls, text: str) -> "Scores":
        lines = csv.DictReader(text.splitlines())
        if tuple(lines.fieldnames or ()) != Row._fields:
            raise ValueError(text[:0])
        return cls(tuple(_row(line) for line in lines))

    def renamed(self, names: Mapping[str, str]) -> "Scores":
        """With other names of the methods; what is said of gaps would tell them."""
        rows = tuple(row._replace(result=names.get(row.result, row.result)) for row in self.rows)
        return Scores(tuple(sorted(rows)), says=self.says, versions=self.versions, seed=self.seed)

    @property
    def results(self) -> list[str]:
        """Names of the methods, what they were made from first."""
        names = dict.fromkeys(row.result for row in self.rows)
        return sorted(names, key=lambda name: name != NOISY)

    def sections(self) -> Iterator[Section]:
        """Tables, then a box plot a figure, then how methods agree case by case."""
        scores, comparisons = scores_of(self.rows, seed=self.seed)
        tests = [
            _tests(c.pairs, _title(c.metric, c.region))
            for c in sorted(comparisons, key=lambda c: _order((c.region, c.metric, c.unit)))
            if c.pairs and c.pairs[0].patients > 1
        ]
        tables = (_summary(scores), *self._outliers(), *tests)
        yield Section("Scores", tables=tables, says=self._said())
        drawn, agreements = list[Graph](), list[Graph]()
        for figure in sorted(_figures(self.rows), key=_order):
            own = [r for r in self.rows if (r.region, r.metric, r.unit) == figure]
            region, metric, unit = figure
            values = {
                name: [Point(r.value, r.case) for r in own if r.result == name]
                for name in self.results
            }
            unit = "" if unit == "1" else unit
            drawn.append(graphs.boxes(values, title=_title(metric, region), unit=unit))
            if metric in SHOWN and region == "image":
                agreements += _agreements(own, self.results, _title(metric, region))
        yield Section("By method", tuple(drawn))
        if agreements:
            yield Section("Case by case", tuple(agreements), says=AGREEMENT)

    def _said(self) -> str:
        patients = len({row.patient for row in self.rows})
        cases = len({row.case for row in self.rows})
        whose = f"{cases} case{'s'[: cases != 1]} of {patients} patient{'s'[: patients != 1]}"
        return "; ".join([whose, *self.says])

    def _outliers(self) -> Iterator[Table]:
        """Cases that are far from the others of their method, the farthest first."""
        far: list[tuple[float, tuple[str, ...]]] = []
        for region, metric, unit in _figures(self.rows):
            for name in self.results:
                own = [
                    r
                    for r in self.rows
                    if (r.result, r.region, r.metric, r.unit) == (name, region, metric, unit)
                    and isfinite(r.value)
                ]
                middle = median(r.value for r in own) if own else nan
                room = 1.4826 * median(abs(r.value - middle) for r in own) if own else nan
                for row in own if room else ():
                    z = (row.value - middle) / room
                    if abs(z) > FAR:
                        cells = (row.case, name, _title(metric, region), _text(row.value, unit))
                        far.append((abs(z), (*cells, f"{z:+.1f}")))
        far.sort(key=lambda item: -item[0])
        if far:
            columns = ("case", "result", "figure", "value", "robust z")
            more = f"; the first {ROWS} of {len(far)}" if len(far) > ROWS else ""
            says = (
                f"More than {FAR} robust standard deviations from the median of its method{more}."
            )
            rows = tuple(cells for _, cells in far[:ROWS])
            yield Table("Outlying cases", columns, rows, says)


def _summary(scores: Sequence[Score]) -> Table:
    """A row a metric, a column a method."""
    results = list(dict.fromkeys(score.result for score in scores))
    found: dict[tuple[str, str, str], dict[str, Spread]] = {}
    for score in scores:
        found.setdefault((score.region, score.metric, score.unit), {})[score.result] = score.spread
    rows = tuple(
        (
            f"{_title(metric, region)} {_arrow(metric)}".strip(),
            "" if unit == "1" else unit,
            *(_spread(found[region, metric, unit].get(name)) for name in results),
        )
        for region, metric, unit in sorted(found, key=_order)
    )
    return Table(
        "Over patients",
        ("figure", "unit", *results),
        rows,
        "Mean \N{PLUS-MINUS SIGN} standard deviation over patients [95 % interval of the mean, by "
        "bootstrap]. Arrows point to what is better.",
    )


def _tests(pairs: Sequence[Any], title: str) -> Table:
    rows = tuple(
        (
            f"{p.one} \N{MINUS SIGN} {p.other}",
            str(p.patients),
            number(p.mean),
            f"{number(p.low)} to {number(p.high)}",
            f"{number(p.below)} to {number(p.above)}",
            _p(p.wilcoxon_holm),
        )
        for p in pairs
    )
    columns = ("difference", "patients", "mean", "95 % interval", "limits of agreement", "p")
    return Table(
        f"Differences in {title}",
        columns,
        rows,
        "p: Wilcoxon's signed-rank test, after Holm.",
        True,
    )


def _agreements(rows: Sequence[Row], results: Sequence[str], title: str) -> Iterator[Graph]:
    """Bland and Altman's plot of every two methods, case by case."""
    values = {name: {r.case: r.value for r in rows if r.result == name} for name in results}
    unit = rows[0].unit if rows[0].unit != "1" else ""
    for one, other in list(combinations(results, 2))[:6]:
        both = [
            (values[one][case], values[other][case], case)
            for case in values[one].keys() & values[other].keys()
            if isfinite(values[one][case]) and isfinite(values[other][case])
        ]
        graph = graphs.agreement(
            {"": sorted(both)},
            unit=unit,
            of=f"{title}, {other} and {one}",
            minus=f"{other} \N{MINUS SIGN} {one}",
        )
        if graph and len(both) > 2:
            yield graph


def _figures(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    return list(dict.fromkeys((row.region, row.metric, row.unit) for row in rows))


def _order(figure: tuple[str, str, str]) -> tuple[bool, int, str]:
    region, metric, _ = figure
    place = SHOWN.index(metric) if metric in SHOWN else len(SHOWN)
    return region != "image", place, f"{region} {metric}"


def _title(metric: str, region: str) -> str:
    name = _TITLES.get(metric, metric)
    return name if region == "image" else f"{name}, {region}"


def _arrow(metric: str) -> str:
    try:
        return _ARROWS.get(METRICS.entry(metric).facts.get("better", ""), "")
    except (UsageError, AttributeError):
        return ""


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "\N{EN DASH}"
    if isnan(spread.deviation):
        return number(spread.mean)
    return (
        f"{number(spread.mean)} \N{PLUS-MINUS SIGN} {spread.deviation:.2g} "
        f"[{number(spread.low)}, {number(spread.high)}]"
    )


def _text(value: float, unit: str) -> str:
    return f"{number(value)} {'' if unit == '1' else unit}".strip()


def _p(value: float) -> str:
    return "\N{EN DASH}" if isnan(value) else f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _row(line: Mapping[str, Any]) -> Row:
    texts = {name: str(line[name]) for name in Row._fields if name != "value"}
    return Row(**texts, value=_number(line["value"]))


def _number(value: object) -> float:
    """NaN for what has no value."""
    words = {"inf": inf, "-inf": -inf, "None": nan}
    return words[str(value)] if str(value) in words else float(str(value))


def _gap(gap: Mapping[str, Any]) -> str:
    what = f"{gap['metric']} in {gap['region']}" if gap.get("metric") else "nothing"
    verb = "has no value" if gap.get("metric") else "could be compared"
    return f"{gap['result']}, {gap['case']}: {what} {verb}: {gap['why']}"
