"""What ``medclean evaluate`` left, as graphs and tables."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import isfinite, isnan, nan
from statistics import median
from typing import Any

from medclean.catalog import METRICS
from medclean.errors import UsageError
from medclean.physics.signal.noise_level import NORMAL_MAD
from medclean.pipelines._score_file import Scores
from medclean.pipelines._scores import Row, Score, scores_of
from medclean.report import graphs
from medclean.report.graphs import Point
from medclean.report.page import Graph, Section, Table
from medclean.report.svg import number

SHOWN = ("psnr", "ssim", "rmse")  # which most readers look for; the others are folded
AGREEMENT = "A dot is a case; how far two methods differ, and whether that depends on the value."
FAR = 3.5  # robust standard deviations from the median (Iglewicz and Hoaglin, 1993)
ROWS = 200  # of a table of outliers
_ARROWS = {"higher": "\N{UPWARDS ARROW}", "lower": "\N{DOWNWARDS ARROW}"}
_SUMMARY = (
    "Mean \N{PLUS-MINUS SIGN} standard deviation over patients [95 % interval of the mean, by "
    "bootstrap]. Arrows point to what is better."
)
_TESTED = "p: Wilcoxon's signed-rank test, after Holm."
_TITLES = {"psnr": "PSNR", "ssim": "SSIM", "rmse": "RMSE", "nmse": "NMSE", "mae": "MAE"}


Figure = tuple[str, str, str, str]  # modality, region, metric and unit


def sections(told: Scores) -> Iterator[Section]:
    """Tables, then a box plot a figure, then how methods agree case by case."""
    scores, comparisons = scores_of(told.rows, seed=told.seed, modalities=told.modalities)
    tests = [
        _tests(c.pairs, _title(told, c.metric, c.region, c.modality))
        for c in sorted(comparisons, key=lambda c: _order((c.modality, c.region, c.metric, c.unit)))
        if c.pairs and c.pairs[0].patients > 1
    ]
    tables = (_summary(told, scores), *_outliers(told), *tests)
    yield Section("Scores", tables=tables, says=_said(told))
    drawn, agreements = list[Graph](), list[Graph]()
    for figure, own in sorted(_figures(told).items(), key=lambda item: _order(item[0])):
        modality, region, metric, unit = figure
        title = _title(told, metric, region, modality)
        values = {
            name: [Point(r.value, r.case) for r in own if r.result == name] for name in told.results
        }
        unit = "" if unit == "1" else unit
        drawn.append(graphs.boxes(values, title=title, unit=unit))
        if metric in SHOWN and region == "image":
            agreements += _agreements(own, told.results, title)
    yield Section("By method", tuple(drawn))
    if agreements:
        yield Section("Case by case", tuple(agreements), says=AGREEMENT)


def _said(told: Scores) -> str:
    patients = len({row.patient for row in told.rows})
    cases = len({row.case for row in told.rows})
    whose = f"{cases} case{'s'[: cases != 1]} of {patients} patient{'s'[: patients != 1]}"
    return "; ".join([whose, *told.says])


def _outliers(told: Scores) -> Iterator[Table]:
    """Cases that are far from the others of their method, the farthest first."""
    far: list[tuple[float, tuple[str, ...]]] = []
    for (modality, region, metric, unit), rows in _figures(told).items():
        title = _title(told, metric, region, modality)
        for name in told.results:
            own = [r for r in rows if r.result == name and isfinite(r.value)]
            middle = median(r.value for r in own) if own else nan
            room = median(abs(r.value - middle) for r in own) / NORMAL_MAD if own else nan
            for row in own if room else ():
                z = (row.value - middle) / room
                if abs(z) > FAR:
                    cells = (row.case, name, title, _text(row.value, unit))
                    far.append((abs(z), (*cells, f"{z:+.1f}")))
    far.sort(key=lambda item: -item[0])
    if far:
        columns = ("case", "result", "figure", "value", "robust z")
        more = f"; the first {ROWS} of {len(far)}" if len(far) > ROWS else ""
        says = f"More than {FAR} robust standard deviations from the median of its method{more}."
        shown = tuple(cells for _, cells in far[:ROWS])
        yield Table("Outlying cases", columns, shown, says)


def _figures(told: Scores) -> dict[Figure, list[Row]]:
    """All rows of a figure; modalities are never mixed."""
    found: dict[Figure, list[Row]] = {}
    for row in told.rows:
        figure = (told.modalities.get(row.case, ""), row.region, row.metric, row.unit)
        found.setdefault(figure, []).append(row)
    return found


def _title(told: Scores, metric: str, region: str, modality: str) -> str:
    name = _TITLES.get(metric, metric) + ("" if region == "image" else f", {region}")
    return f"{modality} {name}" if modality and len({*told.modalities.values()}) > 1 else name


def _summary(told: Scores, scores: Sequence[Score]) -> Table:
    """A row a metric, a column a method."""
    results = list(dict.fromkeys(score.result for score in scores))
    found: dict[Figure, dict[str, Score]] = {}
    for score in scores:
        figure = (score.modality, score.region, score.metric, score.unit)
        found.setdefault(figure, {})[score.result] = score
    rows = tuple(
        (
            f"{_title(told, metric, region, modality)} {_arrow(metric)}".strip(),
            "" if unit == "1" else unit,
            *(_spread(of.get(name)) for name in results),
        )
        for (modality, region, metric, unit), of in sorted(
            found.items(), key=lambda item: _order(item[0])
        )
    )
    return Table("Over patients", ("figure", "unit", *results), rows, _SUMMARY)


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
        _TESTED,
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


def _order(figure: Figure) -> tuple[str, bool, int, str]:
    modality, region, metric, _ = figure
    place = SHOWN.index(metric) if metric in SHOWN else len(SHOWN)
    return modality, region != "image", place, f"{region} {metric}"


def _arrow(metric: str) -> str:
    try:
        return _ARROWS.get(METRICS.entry(metric).facts.get("better", ""), "")
    except (UsageError, AttributeError):
        return ""


def _spread(score: Score | None) -> str:
    if score is None:
        return "\N{EN DASH}"
    spread = score.spread
    lacks = f", {score.missing} cases missing" if score.missing else ""
    if isnan(spread.deviation):
        return number(spread.mean) + lacks
    return (
        f"{number(spread.mean)} \N{PLUS-MINUS SIGN} {spread.deviation:.2g} "
        f"[{number(spread.low)}, {number(spread.high)}]{lacks}"
    )


def _text(value: float, unit: str) -> str:
    return f"{number(value)} {'' if unit == '1' else unit}".strip()


def _p(value: float) -> str:
    return "\N{EN DASH}" if isnan(value) else f"{value:.3f}" if value >= 0.001 else "< 0.001"
