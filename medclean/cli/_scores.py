"""Scores for the screen: a block of figures a region, results below each other."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from math import isinf, isnan
from typing import TYPE_CHECKING

from medclean.cli._drawing import offscreen
from medclean.cli._notes import COMPARED, notes, p_value
from medclean.log import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from medclean.pipelines._scores import Comparison, Score
    from medclean.pipelines.evaluate import Evaluated

CELL = 17  # columns that a figure takes
NAME = 20  # that the name of a result may take
ARROWS = {"higher": "↑", "lower": "↓", "zero": "→ 0", "same": ""}
FIRST = ("image", "body", "label 1")  # regions whose differences are shown
PLACES = {"dB": 2, "1": 3, "%": 1, "1/mm": 3, "mm": 2}  # decimals, at most; else 5
LARGE = 1e5  # from here on in thousands


def tables(evaluated: "Evaluated") -> str:
    """All that is told, fit for the terminal that is there, or for 80 columns."""
    console = offscreen()
    with console.capture() as drawn:
        for table in _blocks(evaluated, console):
            console.print(table)
        for line in notes(evaluated):
            console.print(line, style="dim", markup=False)
    return "\n".join(line.rstrip() for line in drawn.get().rstrip().splitlines())


def _blocks(evaluated: "Evaluated", console: "Console") -> Iterator["Table | Text | str"]:
    from rich.text import Text

    many = evaluated.patients > 1
    what = (
        f"{evaluated.patients} patients: mean ± standard deviation, and 95 % interval of the mean"
        if many
        else "1 patient: no statistics"
    )
    yield Text(what, style="bold")
    for region, scores in _by_place(evaluated.scores):
        metrics = list(dict.fromkeys((score.metric, score.unit) for score in scores))
        names = list(dict.fromkeys(score.result for score in scores))
        wide = min(NAME, max(map(len, (*names, region))))
        fit = max(1, (console.width - wide) // CELL)
        for start in range(0, len(metrics), fit):
            some = metrics[start : start + fit]
            yield ""
            yield _block(region if not start else "", names, some, scores, wide)
    several = len({score.modality for score in evaluated.scores}) > 1
    for one, best in _compared(evaluated) if many else ():
        yield ""
        yield _differences(one, best, one.modality if several else "")


def _block(
    region: str,
    names: Sequence[str],
    metrics: Sequence[tuple[str, str]],
    scores: Sequence["Score"],
    wide: int,
) -> "Table":
    from rich.table import Table
    from rich.text import Text

    from medclean.pipelines._gates import better

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(Text(region, style="bold"), width=wide, no_wrap=True)
    known = {(s.metric, s.unit, s.result): s for s in scores}
    best = {}
    for metric, unit in metrics:
        shown = "" if unit == "1" else unit
        below = f"{ARROWS[better(metric)]} {shown}".strip()
        table.add_column(Text(f"{metric}\n{below}"), width=CELL - 1, no_wrap=True)
        found = {n: known[metric, unit, n] for n in names if (metric, unit, n) in known}
        best[metric, unit] = _best(found, better(metric))
    for name in names:
        cells = [Text(printable(name))]
        for figure in metrics:
            score = known.get((*figure, name))
            style = "bold green" if score and name in best[figure] else ""
            cells.append(Text(_value(score) if score else "-", style=style))
        table.add_row(*cells)
        intervals = [_interval(known.get((*figure, name))) for figure in metrics]
        limits = [_limits(known.get((*figure, name))) for figure in metrics]
        for more in filter(any, (intervals, limits)):
            table.add_row("", *(Text(text, style="dim") for text in more))
    return table


def _best(scores: "Mapping[str, Score]", way: str) -> set[str]:
    """The names with the best mean, if there are several, of the same cases, and one of them is."""
    means = {name: score.spread.mean for name, score in scores.items()}
    unlike = any(score.missing for score in scores.values()) or any(map(isnan, means.values()))
    if len(means) < 2 or way == "same" or unlike:
        return set()
    rank = {name: _rank(mean, way) for name, mean in means.items()}
    least = min(rank.values())
    found = {name for name, value in rank.items() if value == least}
    return found if len(found) < len(means) else set()


def _rank(mean: float, way: str) -> float:
    """The lower, the better."""
    return {"higher": -mean, "lower": mean, "zero": abs(mean)}[way]


def _differences(one: "Comparison", best: str, modality: str) -> "Table":
    """The method that is best less each of the others."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    unit = "" if one.unit == "1" else one.unit
    shown = " ".join(filter(None, (modality, one.region, one.metric, unit)))
    table.add_column(f"{shown}: {best} -", header_style="bold", overflow="fold")
    for name in ("mean (95 % interval)", "limits", "d", "p of t", "p of W"):
        table.add_column(name, no_wrap=True, justify="right")
    patients = max(found.patients for found in one.pairs)
    for found in one.pairs:
        if best not in (found.one, found.other) or found.patients < 2:
            continue
        sign, other = (1, found.other) if best == found.one else (-1, found.one)
        places = _places(found.deviation, one.unit)
        low, high, below, above = (
            f"{value:+.{places}f}"
            for pair in ((found.low, found.high), (found.below, found.above))
            for value in (pair if sign > 0 else (-pair[1], -pair[0]))
        )
        fewer = f", {found.patients} patients" if found.patients < patients else ""
        table.add_row(
            printable(other) + fewer,
            f"{sign * found.mean:+.{places}f} ({low} to {high})",
            f"{below} to {above}",
            "-" if isnan(found.effect) else f"{sign * found.effect:.1f}",
            p_value(found.t_holm),
            p_value(found.wilcoxon_holm),
        )
    return table


def _compared(evaluated: "Evaluated") -> "Iterator[tuple[Comparison, str]]":
    """The differences that are shown, and the method that is best: main figures, first region."""
    from medclean.pipelines._gates import better

    for one in evaluated.comparisons:
        if one.metric in COMPARED and one.region in FIRST:
            worse: dict[str, int] = {}  # than how many others
            for pair in one.pairs:
                gain = -_rank(pair.mean, better(one.metric))
                for name, lead in ((pair.one, gain), (pair.other, -gain)):
                    worse[name] = worse.get(name, 0) + (not lead >= 0)
            best = [name for name, count in worse.items() if not count]
            if best and len(best) < len(worse):
                yield one, min(best)


def _by_place(scores: "Sequence[Score]") -> "Iterator[tuple[str, list[Score]]]":
    """Modality, where there are several, and region, with their scores."""

    def place(score: "Score") -> tuple[str, str]:
        return score.modality, score.region

    order = list(dict.fromkeys(map(place, scores)))
    several = len({modality for modality, _ in order}) > 1
    for (modality, region), group in groupby(
        sorted(scores, key=lambda score: order.index(place(score))), place
    ):
        yield f"{modality} {region}".strip() if several else region, list(group)


def _value(score: "Score") -> str:
    found = score.spread
    if isinf(found.mean):
        return "infinite"
    if isnan(found.deviation):
        return _number(found.mean, _places(found.mean / 100, score.unit))
    places = _places(found.deviation, score.unit)
    return f"{_number(found.mean, places)} ± {_number(found.deviation, places)}"


def _interval(score: "Score | None") -> str:
    if score is None or isnan(score.spread.low):
        return ""
    places = _places(score.spread.deviation, score.unit)
    text = f"{_number(score.spread.low, places)} to {_number(score.spread.high, places)}"
    return text if len(text) < CELL else text.replace(" to ", "..")


def _limits(score: "Score | None") -> str:
    """Of agreement with the reference, of figures that are differences from it."""
    from medclean.pipelines._gates import better

    if score is None or isnan(score.spread.below) or better(score.metric) != "zero":
        return ""
    places = _places(score.spread.deviation, score.unit)
    low, high = (_number(value, places) for value in (score.spread.below, score.spread.above))
    return f"[{low}..{high}]"


def _number(value: float, places: int) -> str:
    return f"{value / 1000:.0f}k" if abs(value) >= LARGE else f"{value:.{places}f}"


def _places(spread: float, unit: str) -> int:
    """Decimals that show two digits of a spread, as far as those of its unit mean anything."""
    most, places = PLACES.get(unit, 5), 0
    if not spread or isnan(spread) or isinf(spread):
        return min(most, 2)
    while places < most and abs(spread) * 10**places < 9.5:
        places += 1
    return places
