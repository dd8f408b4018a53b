"""Statistics over patients: against scipy, published examples and what must hold."""

import tracemalloc
from itertools import product
from math import inf, isnan, nan

import numpy as np
import pytest
from scipy import stats

from medclean.cli._notes import HELD
from medclean.quality.statistics import by_patient, differences, friedman, holm, spread

RNG = np.random.default_rng(3)
PATIENTS = [(f"p{number}", "case") for number in range(12)]
METHODS = {
    name: dict(zip(PATIENTS, 30 + shift + RNG.normal(0, 1, 12), strict=True))
    for name, shift in {"noisy": 0.0, "nlm": 1.0, "dgan": 1.5}.items()
}


def test_a_spread_is_that_of_scipy():
    values = np.array([*METHODS["nlm"].values()])
    found = spread(values)
    peer = stats.bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(1))
    assert (found.patients, found.mean) == (12, pytest.approx(values.mean()))
    assert found.deviation == pytest.approx(values.std(ddof=1))
    wide = peer.confidence_interval.high - peer.confidence_interval.low
    assert found.low == pytest.approx(peer.confidence_interval.low, abs=0.05 * wide)
    assert found.high == pytest.approx(peer.confidence_interval.high, abs=0.05 * wide)
    assert found.above - found.mean == pytest.approx(1.96 * found.deviation, rel=1e-4)
    assert (found.above + found.below) / 2 == pytest.approx(found.mean)
    assert spread(values) == found


def test_an_interval_holds_the_mean_as_often_as_it_says():
    held = 0
    for number in range(400):
        found = spread(np.random.default_rng(number).normal(7, 2, 20), seed=number)
        held += found.low <= 7 <= found.high
    assert 0.88 < held / 400 < 0.97  # percentile intervals of 20 values are a little narrow


@pytest.mark.parametrize("patients", [2, 5, 9])
def test_so_many_intervals_of_few_patients_hold_the_mean(patients):
    """What the terminal says of them."""
    drawn = (np.random.default_rng(n).normal(7, 2, patients) for n in range(600))
    held = sum(one.low <= 7 <= one.high for one in map(spread, drawn))
    assert held / 6 == pytest.approx(HELD[patients], abs=6)


def test_an_interval_of_many_patients_takes_little_memory():
    values = RNG.normal(7, 2, 3000)
    tracemalloc.start()
    found = spread(values)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 50e6
    assert found.high - found.low == pytest.approx(2 * 1.96 * 2 / 3000**0.5, rel=0.1)


def test_one_patient_has_no_spread():
    found = spread([31.5])
    assert (found.patients, found.mean) == (1, 31.5)
    assert all(map(isnan, (found.deviation, found.low, found.high)))
    assert spread([nan, 2.0, 4.0]).patients == 2
    assert spread([nan]).patients == 0
    assert spread([inf, 30.0]).mean == inf


def test_differences_are_tested_as_scipy_does():
    found = {(one.one, one.other): one for one in differences(METHODS)}
    assert set(found) == {("nlm", "noisy"), ("dgan", "noisy"), ("dgan", "nlm")}
    one, two = (np.array([*METHODS[name].values()]) for name in ("dgan", "noisy"))
    pair = found["dgan", "noisy"]
    assert pair.mean == pytest.approx((one - two).mean())
    assert pair.t == pytest.approx(stats.ttest_rel(one, two).pvalue)
    assert pair.wilcoxon == pytest.approx(stats.wilcoxon(one, two).pvalue)
    assert pair.effect == pytest.approx((one - two).mean() / (one - two).std(ddof=1))
    assert (pair.below + pair.above) / 2 == pytest.approx(pair.mean)
    assert pair.above - pair.below == pytest.approx(2 * 1.96 * (one - two).std(ddof=1), rel=1e-4)
    assert pair.low <= pair.mean <= pair.high
    raw = [d.t for d in found.values()]
    assert [d.t_holm for d in found.values()] == holm(raw)


def test_only_patients_that_both_have_are_compared():
    p1, p2, p3 = PATIENTS[:3]
    some = {"a": {p1: 1.0, p2: 2.0, p3: inf}, "b": {p1: 2.0, p2: 4.0, p3: 5.0}}
    (found,) = differences(some)
    assert (found.patients, found.mean) == (2, 1.5)
    (alone,) = differences({"a": {p1: 1.0}, "b": {p1: 3.0}})
    assert (alone.patients, alone.mean) == (1, 2.0)
    assert isnan(alone.t)


def test_a_method_without_the_hard_cases_is_no_better_for_it():
    both = {(patient, case): 30.0 + n for patient in "pqr" for n, case in enumerate("abc")}
    easy = {case: value for case, value in both.items() if case[1] == "c"}
    (found,) = differences({"all": both, "easy": easy})
    assert (found.patients, found.mean, found.wilcoxon) == (3, 0, 1)
    assert by_patient(both) == {"p": 31.0, "q": 31.0, "r": 31.0}


def test_differences_that_vary_by_rounding_alone_have_no_test():
    one = {(f"p{n}", "case"): value for n, value in enumerate([0.1, 0.7, 1.3, 30.2, 17.77])}
    other = {case: value + 0.3 + 1e-8 * value for case, value in one.items()}
    (found,) = differences({"one": one, "other": other})
    assert found.mean == pytest.approx(0.3)
    assert isnan(found.t)
    assert isnan(found.effect)
    assert found.wilcoxon == pytest.approx(2 / 2**5)


@pytest.mark.parametrize("differ", [[1, 1, 1, 2, 3], [1, 1, -1, 2, 2, 4], [0, 0, 1, 2, 3]])
def test_wilcoxon_of_few_patients_is_exact_with_ties_too(differ):
    """Against all signs that the differences could have."""
    ranks = stats.rankdata(np.abs([d for d in differ if d]))
    sums = [ranks[list(signs)].sum() for signs in product([False, True], repeat=len(ranks))]
    seen = ranks[[d > 0 for d in differ if d]].sum()
    tails = np.mean([s >= seen for s in sums]), np.mean([s <= seen for s in sums])
    zero = {(f"p{n}", "case"): 0.0 for n in range(len(differ))}
    moved = {case: float(d) for case, d in zip(zero, differ, strict=True)}
    (found,) = differences({"zero": zero, "moved": moved})
    assert found.wilcoxon == pytest.approx(min(1, 2 * min(tails)))


def test_equal_methods_do_not_differ():
    (found,) = differences({"a": METHODS["nlm"], "b": METHODS["nlm"]})
    assert (found.mean, found.wilcoxon) == (0, 1)
    assert isnan(found.t)


def test_friedman_is_that_of_scipy():
    rows = [[*values.values()] for values in METHODS.values()]
    assert friedman(METHODS) == pytest.approx(stats.friedmanchisquare(*rows).pvalue)
    assert isnan(friedman({name: METHODS[name] for name in ("nlm", "dgan")}))


def test_holm_is_that_of_its_definition():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    corrected = holm([nan, 0.02])
    assert isnan(corrected[0])
    assert corrected[1] == 0.02
