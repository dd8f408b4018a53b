"""Scores for the screen: a block of figures a region, results below each other."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import isinf, isnan
from typing import TYPE_CHECKING

from medclean.log import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from medclean.pipelines._scores import Comparison, Gap, Score
    from medclean.pipelines.evaluate import Evaluated
    from medclean.quality.statistics import Difference, Spread

CELL = 16  # columns that a figure takes
NAME = 20  # that the name of a result may take
ARROWS = {"higher": "↑", "lower": "↓", "zero": "→0", "same": ""}
COMPARED = ("psnr", "ssim", "rmse", "dice", "hausdorff-95")  # metrics whose differences are shown
GAPS = 6  # that are told one by one
FEW = 6  # patients, with whom the least p of Wilcoxon's test is 0.03


def tables(evaluated: "Evaluated") -> str:
    """All that is told, fit for the terminal that is there, or for 80 columns."""
    from rich.console import Console

    console = Console(highlight=False)
    with console.capture() as drawn:
        for table in _blocks(evaluated, console):
            console.print(table)
        for line in _below(evaluated):
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
    for region, scores in _by_region(evaluated.scores):
        metrics = list(dict.fromkeys((score.metric, score.unit) for score in scores))
        names = list(dict.fromkeys(score.result for score in scores))
        wide = min(NAME, max(map(len, (*names, region))))
        fit = max(1, (console.width - wide) // CELL)
        for start in range(0, len(metrics), fit):
            some = metrics[start : start + fit]
            yield ""
            yield _block(region if not start else "", names, some, scores, wide)
    rows = [row for one in evaluated.comparisons for row in _compared(one)] if many else []
    if rows:
        yield ""
        yield _differences(rows)


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
    known = {(s.metric, s.unit, s.result): s.spread for s in scores}
    best = {}
    for metric, unit in metrics:
        shown = "" if unit == "1" else f" {unit}"
        arrow = ARROWS[better(metric)]
        table.add_column(Text(f"{metric}{shown} {arrow}".rstrip()), width=CELL - 1, no_wrap=True)
        means = {n: known[metric, unit, n].mean for n in names if (metric, unit, n) in known}
        best[metric, unit] = _best(means, better(metric))
    for name in names:
        cells = [Text(printable(name))]
        for figure in metrics:
            found = known.get((*figure, name))
            style = "bold green" if found and name in best[figure] else ""
            cells.append(Text(_value(found) if found else "-", style=style))
        table.add_row(*cells)
        spreads = [known.get((*figure, name)) for figure in metrics]
        if any(found and not isnan(found.low) for found in spreads):
            table.add_row("", *(Text(_interval(found), style="dim") for found in spreads))
    return table


def _best(means: dict[str, float], way: str) -> set[str]:
    """The names with the best value, if there are several and one of them is."""
    if len(means) < 2 or way == "same" or any(map(isnan, means.values())):
        return set()
    sign = {"higher": -1.0, "lower": 1.0, "zero": 1.0}[way]
    rank = {n: sign * (abs(value) if way == "zero" else value) for n, value in means.items()}
    least = min(rank.values())
    found = {name for name, value in rank.items() if value == least}
    return found if len(found) < len(means) else set()


def _differences(rows: "Sequence[tuple[Comparison, Difference]]") -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("differences", header_style="bold", no_wrap=True)
    for name in ("mean (95 % interval)", "limits", "d", "p t", "p W"):
        table.add_column(name, no_wrap=True)
    for figure, found in rows:
        digits = _digits(found.deviation)
        table.add_row(
            f"{figure.metric} {found.one} - {found.other}",
            f"{found.mean:+.{digits}f} ({found.low:+.{digits}f} to {found.high:+.{digits}f})",
            f"{found.below:+.{digits}f} to {found.above:+.{digits}f}",
            "-" if isnan(found.effect) else f"{found.effect:.1f}",
            _p(found.t_holm),
            _p(found.wilcoxon_holm),
        )
    return table


def _compared(one: "Comparison") -> "Iterator[tuple[Comparison, Difference]]":
    """The differences that are shown: of the main figures, in the first region."""
    if one.metric in COMPARED and one.region in ("image", "label 1"):
        yield from ((one, pair) for pair in one.pairs if pair.patients > 1)


def _below(evaluated: "Evaluated") -> Iterator[str]:
    """What else is to be known."""
    if evaluated.comparisons and evaluated.patients > 1:
        ranks = [
            f"{one.metric} {_p(one.friedman)}"
            for one in evaluated.comparisons
            if one.metric in COMPARED and one.region == "image" and not isnan(one.friedman)
        ]
        few = ""
        if evaluated.patients < FEW:
            few = f"; Wilcoxon's cannot be below 0.05 for {evaluated.patients} patients"
        yield (
            "\np of the paired t test and of Wilcoxon's, after Holm for all pairs; limits of "
            f"agreement; d: Cohen's{few}"
        )
        if ranks:
            yield f"p of Friedman's test that all rank alike: {', '.join(ranks)}"
    hows = dict.fromkeys(match["by"] for match in evaluated.matched)
    yield f"\nmatched by {', '.join(hows)}"
    for sentence in evaluated.says:
        yield sentence
    yield from _gaps(evaluated.gaps)


def _gaps(gaps: "Sequence[Gap]") -> Iterator[str]:
    """What has no value, alike ones together."""
    alike: dict[str, int] = {}
    for gap in gaps:
        what = f"{gap.metric} in {gap.region} of {gap.result}" if gap.metric else gap.result
        alike[f"no {what}: {gap.why}"] = alike.get(f"no {what}: {gap.why}", 0) + 1
    for line, count in list(alike.items())[:GAPS]:
        yield printable(f"{line} ({count} case{'s'[: count != 1]})")
    if len(alike) > GAPS:
        yield f"and {len(alike) - GAPS} more gaps; --json and the .json file have them all"


def _by_region(scores: Sequence["Score"]) -> "Iterator[tuple[str, list[Score]]]":
    order = list(dict.fromkeys(score.region for score in scores))
    ranked = sorted(scores, key=lambda score: order.index(score.region))
    for region, group in groupby(ranked, lambda score: score.region):
        yield region, list(group)


def _value(found: "Spread") -> str:
    if isinf(found.mean):
        return "infinite"
    if isnan(found.deviation):
        return f"{found.mean:.{_digits(found.mean / 100)}f}"
    digits = _digits(found.deviation)
    return f"{found.mean:.{digits}f} ± {found.deviation:.{digits}f}"


def _interval(found: "Spread | None") -> str:
    if found is None or isnan(found.low):
        return ""
    digits = _digits(found.deviation)
    return f"{found.low:.{digits}f} to {found.high:.{digits}f}"


def _digits(spread: float) -> int:
    """Decimals that show two digits of a spread, at most 5; as many for none."""
    if not spread or isnan(spread) or isinf(spread):
        return 2
    decimals = 0
    while decimals < 5 and abs(spread) * 10**decimals < 10 - 0.5:
        decimals += 1
    return decimals


def _p(value: float) -> str:
    if isnan(value):
        return "-"
    return "<0.001" if value < 0.001 else f"{value:.3f}"
