"""What is to be known beside the tables of scores, a line each."""

from collections.abc import Iterator, Sequence
from math import isnan
from typing import TYPE_CHECKING

from medclean.log import printable

if TYPE_CHECKING:
    from medclean.pipelines._scores import Gap, Score
    from medclean.pipelines.evaluate import Evaluated

COMPARED = ("psnr", "ssim", "dice", "hausdorff-95")  # metrics whose differences are shown
LEVEL = 0.05  # of significance, which Wilcoxon's test cannot reach with few patients
HELD = {2: 48, 3: 74, 4: 80, 5: 83, 6: 85, 7: 87, 8: 88, 9: 89}
"""Per cent of the intervals of so many patients that hold the mean, if values are normal."""
GAPS = 6  # that are told one by one


def notes(evaluated: "Evaluated") -> Iterator[str]:
    """All of them, in the order in which they are read."""
    if evaluated.comparisons and evaluated.patients > 1:
        yield from _tests(evaluated)
    yield from _lacking(evaluated.scores)
    yield from _intervals(evaluated.scores)
    hows = dict.fromkeys(match["by"] for match in evaluated.matched)
    yield f"\nmatched by {', '.join(hows)}"
    yield from evaluated.says
    yield from _gaps(evaluated.gaps)


def p_value(value: float) -> str:
    """As it is printed."""
    if isnan(value):
        return "-"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _tests(evaluated: "Evaluated") -> Iterator[str]:
    """Which p are shown, whether one of them can tell anything, and that of all methods."""
    patients, pairs = evaluated.patients, max(len(one.pairs) for one in evaluated.comparisons)
    few = ""
    if pairs * 2.0 ** (1 - patients) >= LEVEL:  # where all differences have one sign
        of = f" and {pairs} pairs" if pairs > 1 else ""
        few = f"; Wilcoxon's cannot be below {LEVEL:g} for {patients} patients{of}"
    yield (
        "\np of the paired t test and of Wilcoxon's, after Holm for all pairs; limits of "
        f"agreement; d: Cohen's{few}"
    )
    several = len({score.modality for score in evaluated.scores}) > 1
    ranks = [
        f"{one.metric} {one.modality + ' ' if several else ''}{p_value(one.friedman)}"
        for one in evaluated.comparisons
        if one.metric in COMPARED and one.region == "image" and not isnan(one.friedman)
    ]
    if ranks:
        yield f"p of Friedman's test that all rank alike: {', '.join(ranks)}"


def _lacking(scores: "Sequence[Score]") -> Iterator[str]:
    """Methods whose means are not of the same cases as those of others."""
    missing: dict[str, int] = {}
    for score in scores:
        missing[score.result] = max(missing.get(score.result, 0), score.missing)
    for result, count in missing.items():
        if count:
            yield printable(
                f"{result} lacks up to {count} case{'s'[: count != 1]} that others have: its means "
                "are of other images; differences are over those that both have"
            )


def _intervals(scores: "Sequence[Score]") -> Iterator[str]:
    """What those below the means are, and are not."""
    from medclean.pipelines._gates import better

    counts = {score.spread.patients for score in scores} - {0, 1}
    fewest = min(counts, default=0)
    if fewest in HELD:
        yield (
            f"intervals of few patients are too narrow: of those from {fewest}, "
            f"{HELD[fewest]} % hold the mean"
        )
    if counts and any(better(score.metric) == "zero" for score in scores):
        yield "in brackets: limits of agreement with the reference (Bland and Altman)"


def _gaps(gaps: "Sequence[Gap]") -> Iterator[str]:
    """What has no value, alike ones together."""
    alike: dict[str, int] = {}
    for gap in gaps:
        what = f"{gap.metric} in {gap.region} of {gap.result}" if gap.region else gap.metric
        line = f"no {what or gap.result}: {gap.why}"
        alike[line] = alike.get(line, 0) + 1
    for line, count in list(alike.items())[:GAPS]:
        yield printable(f"{line} ({count} case{'s'[: count != 1]})")
    if len(alike) > GAPS:
        yield f"and {len(alike) - GAPS} more gaps; --json and the .json file have them all"
