"""What figures of patients say of methods: spread, intervals, and whether methods differ.

A patient counts once, with the mean over its cases: slices and scans of one person are not
independent. Methods are compared where all of them have a value: one that lacks the hard cases is
not better for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import fsum, isfinite, isnan, nan, sqrt
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

DRAWS, AT_ONCE = 10_000, 100  # of the bootstrap, and how many of them are in memory
SHARE = 0.95  # of them lie in an interval
NORMAL = 1.959963984540054  # standard deviations that hold this share
ROUNDING = 1e-6  # of the values, as of float32: differences that vary by less do not vary

Case: TypeAlias = tuple[str, str]  # the patient, and which of its cases


@dataclass(frozen=True)
class Spread:
    """A figure over patients; NaN is what cannot be told.

    Attributes:
        patients: Those that have the figure.
        mean: Over them; infinite where one is.
        deviation: Standard deviation, of a sample; NaN for one patient.
        low: Least value of the 95 % interval of the mean, by bootstrap (Efron, 1979).
        high: Its greatest.
        below: 1.96 standard deviations below the mean: of a figure that is itself a difference from
            the truth, Bland and Altman's lower limit of agreement (1986).
        above: The upper one.
    """

    patients: int
    mean: float
    deviation: float = nan
    low: float = nan
    high: float = nan
    below: float = nan
    above: float = nan


@dataclass(frozen=True)
class Difference:
    """A figure of one method against another's, patient by patient; NaN cannot be told.

    Attributes:
        one: Name of a method.
        other: Name of the one that is subtracted.
        patients: Those with a case of which both have a finite figure.
        mean: Of the differences: Bland and Altman's bias (1986).
        deviation: Of the differences.
        low: Least value of the 95 % interval of the mean, by bootstrap.
        high: Its greatest.
        below: Lower limit of agreement, 1.96 standard deviations below the mean.
        above: The upper one.
        effect: Cohen's d of paired values (1988): mean over standard deviation; NaN, as the t test,
            where all differences are equal.
        t: p of the paired t test, two-sided.
        wilcoxon: p of Wilcoxon's signed-rank test, two-sided; 1 where nothing differs.
        t_holm: That p after Holm's correction (1979) for all pairs of methods.
        wilcoxon_holm: Likewise.
    """

    one: str
    other: str
    patients: int
    mean: float
    deviation: float = nan
    low: float = nan
    high: float = nan
    below: float = nan
    above: float = nan
    effect: float = nan
    t: float = nan
    wilcoxon: float = nan
    t_holm: float = nan
    wilcoxon_holm: float = nan


def spread(values: Sequence[float], *, seed: int = 0) -> Spread:
    """A figure over patients, one value each."""
    known = np.array([value for value in values if not isnan(value)])
    if not known.size:
        return Spread(0, nan)
    mean = float(known.mean())
    if known.size < 2 or not isfinite(mean):
        return Spread(known.size, mean)
    deviation = float(known.std(ddof=1))
    limits = mean - NORMAL * deviation, mean + NORMAL * deviation
    return Spread(known.size, mean, deviation, *interval(known, seed=seed), *limits)


def interval(values: NDArray[np.float64], *, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean: percentiles of the means of samples drawn with replacement.

    With few values it is too narrow (for five, about 83 % hold the truth); it never lies outside
    the values.
    """
    rng, size = np.random.default_rng(seed), (AT_ONCE, len(values))
    drawn = (rng.integers(len(values), size=size) for _ in range(DRAWS // AT_ONCE))
    means = np.concatenate([values[some].mean(axis=1) for some in drawn])
    tail = (1 - SHARE) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def by_patient(values: Mapping[Case, float]) -> dict[str, float]:
    """The mean over the cases of each patient."""
    cases: dict[str, list[float]] = {}
    for (patient, _), value in values.items():
        cases.setdefault(patient, []).append(value)
    return {patient: fsum(known) / len(known) for patient, known in cases.items()}


def differences(methods: Mapping[str, Mapping[Case, float]], *, seed: int = 0) -> list[Difference]:
    """Every method against every one before it, corrected together.

    Args:
        methods: Value by case, by method.
        seed: Of the bootstrap.
    """
    found = [
        _difference(one, other, methods[one], methods[other], seed)
        for other, one in combinations(methods, 2)
    ]
    corrected = [holm([getattr(one, test) for one in found]) for test in ("t", "wilcoxon")]
    return [
        Difference(**{**vars(one), "t_holm": t, "wilcoxon_holm": wilcoxon})
        for one, t, wilcoxon in zip(found, *corrected, strict=True)
    ]


def friedman(methods: Mapping[str, Mapping[Case, float]]) -> float:
    """P of Friedman's test (1937) that several methods rank alike over patients.

    NaN for fewer than three methods, or fewer than two patients that have all of them.
    """
    rows = [list(one.values()) for one in _shared(list(methods.values()))]
    if len(methods) < 3 or len(rows[0]) < 2:
        return nan
    with np.errstate(invalid="ignore", divide="ignore"):  # no method differs from any: NaN
        return float(stats.friedmanchisquare(*rows).pvalue)


def holm(values: Sequence[float]) -> list[float]:
    """P values, each as large as Holm's step-down procedure (1979) makes it; NaN counts for none.

    A method differs at level alpha over all comparisons where its value here is below alpha.
    """
    order = sorted((n for n, p in enumerate(values) if not isnan(p)), key=values.__getitem__)
    corrected, least = list(values), 0.0
    for place, number in enumerate(order):
        least = max(least, min(1.0, (len(order) - place) * values[number]))
        corrected[number] = least
    return corrected


def _difference(
    one: str, other: str, first: Mapping[Case, float], second: Mapping[Case, float], seed: int
) -> Difference:
    rows = [list(values.values()) for values in _shared([first, second])]
    d = np.array(rows[0]) - np.array(rows[1])
    if not d.size:
        return Difference(one, other, 0, nan)
    mean = float(d.mean())
    if d.size < 2:
        return Difference(one, other, d.size, mean)
    deviation = float(d.std(ddof=1))
    low, high = interval(d, seed=seed)
    varies = deviation > ROUNDING * np.abs(rows).max()
    return Difference(
        one,
        other,
        d.size,
        mean,
        deviation,
        low,
        high,
        below=mean - NORMAL * deviation,
        above=mean + NORMAL * deviation,
        effect=mean / deviation if varies else nan,
        t=_t(mean, deviation, d.size) if varies else nan,
        wilcoxon=float(stats.wilcoxon(d).pvalue) if d.any() else 1.0,
    )


def _t(mean: float, deviation: float, count: int) -> float:
    return float(2 * stats.t.sf(abs(mean) / deviation * sqrt(count), count - 1))


def _shared(methods: Sequence[Mapping[Case, float]]) -> list[dict[str, float]]:
    """By patient, in one order: means over those cases that all methods have a finite figure of."""
    cases = [
        case for case in methods[0] if all(isfinite(values.get(case, nan)) for values in methods)
    ]
    return [by_patient({case: values[case] for case in cases}) for values in methods]
