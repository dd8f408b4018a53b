"""Patients are dealt out once: shares are kept, nobody moves, pools and folds are disjoint."""

from collections import Counter
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medclean.archive.cases import Cases
from medclean.archive.pairs import noisy_ones, paired
from medclean.archive.selection import PATH
from medclean.archive.splits import dealt, parts_of_fold, shares_of
from medclean.errors import UsageError

SHARES = shares_of(0.15, 0.15)
NUMBERS = count()
EXACT = {"spacing": [3, 1, 1], "shape": [3, 8, 8], "affine": [[1.0, 0, 0, 0]] * 4}


def entry(patient, modality="MR", **facts):
    usual = {"case": f"{patient}-{next(NUMBERS)}", "series": "s", "study": "ses-1", "noisy": None}
    return {**usual, **EXACT, "patient": patient, "modality": modality, "acquisition": {}} | facts


def of(*entries, **how):
    return Cases(cases=entries, shares=SHARES, **how)


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.sampled_from("CM")), st.data())
def test_nobody_moves_when_more_come_and_no_split_is_empty_from_three_on(people, data):
    early = data.draw(st.sets(st.sampled_from(sorted(people)))) if people else ()
    first = of(*(entry(patient, people[patient]) for patient in early)).with_homes()
    more = tuple(entry(*person) for person in people.items())
    known = Cases(first.patients, more, SHARES).with_homes()
    assert {p: known.patients[p] for p in first.patients} == first.patients
    for kind, many in Counter(people.values()).items():
        splits = {known.patients[p]["split"] for p, own in people.items() if own == kind}
        assert len(splits) == min(many, 3)
    assert all(case["split"] == known.patients[case["patient"]]["split"] for case in known.cases)


def test_a_patient_counts_in_every_modality_of_his_images():
    known = of(entry("a", "MR"), entry("a", "CT"), entry("b", "CT")).with_homes()
    assert {home["split"] for home in known.patients.values()} == {"train", "validation"}


def test_shares_are_kept_and_ties_go_to_training():
    homes = dealt([(str(n), "M") for n in range(20)], [], SHARES)
    assert Counter(homes.values()) == {"train": 14, "validation": 3, "test": 3}
    assert [homes[str(n)] for n in range(3)] == ["train", "validation", "test"]


def test_folds_are_even_and_each_is_held_out_once():
    known = of(*(entry(f"p{n}") for n in range(13)), folds=6).with_homes()
    sizes = Counter(home["fold"] for home in known.patients.values())
    assert sorted(sizes.values()) == [2, 2, 2, 2, 2, 3]
    for held in range(6):
        parts = parts_of_fold(held, 6)
        assert Counter(parts.values()) == {"train": 4, "validation": 1, "test": 1}
        assert parts[held] == "test"


def test_pools_are_of_different_patients_and_of_those_who_are_learnt_from():
    known = of(*(entry(f"p{n}") for n in range(20))).with_homes(unpaired=True)
    pools = {patient: home["pool"] for patient, home in known.patients.items() if "pool" in home}
    assert Counter(pools.values()) == {"clean": 7, "noisy": 7}
    assert all(known.patients[patient]["split"] == "train" for patient in pools)


def test_a_series_that_is_done_anew_replaces_its_cases_alone():
    known = of(entry("a", series="1"), entry("a", series="1"), entry("b", series="2"))
    again = known.with_cases([entry("a", series="1", case="new")], ["1"])
    assert [case["case"] for case in again.cases] == [known.cases[2]["case"], "new"]


# Pairs


def test_a_noisy_series_goes_with_the_clean_one_of_its_study_and_grid():
    low, full = entry("a", noisy=True), entry("a", noisy=False)
    moved = [[1.0, 0, 0, 5]] * 4
    others = [
        entry("b", noisy=False),
        entry("a", noisy=False, study="ses-2"),
        entry("a", noisy=False, affine=moved),
    ]
    pairs = {case["case"]: case["pair"] for case in paired([low, full, *others])}
    assert (pairs[low["case"]], pairs[full["case"]]) == (full["case"], low["case"])
    assert not any(pairs[other["case"]] for other in others)


def test_of_several_clean_series_the_one_of_the_same_kernel_is_taken():
    soft, sharp = {"ConvolutionKernel": "Br38"}, {"ConvolutionKernel": "Br60"}
    low = entry("a", noisy=True, acquisition=sharp)
    clean = [entry("a", noisy=False, acquisition=kernel) for kernel in (soft, sharp)]
    pairs = {case["case"]: case["pair"] for case in paired([low, *clean])}
    assert pairs[low["case"]] == clean[1]["case"]
    ambiguous = [low, *(entry("a", noisy=False, acquisition=sharp) for _ in range(2))]
    assert not any(case["pair"] for case in paired(ambiguous))


@pytest.mark.parametrize(
    ("path", "holds"),
    [
        ("p1/low dose/a.dcm", True),
        ("p1/QuarterDose_B30/a.dcm", True),
        ("LDCT/p1/a.dcm", True),
        ("p1/full/a.dcm", False),
        ("Reynolds/full/low.dcm", False),
    ],
)
def test_folders_say_which_is_noisy(path, holds):
    assert noisy_ones("folder").holds({PATH: (path,)}) == holds


def test_descriptions_say_which_is_noisy():
    description = 0x0008103E
    for text, holds in (("Low Dose Images", True), ("1.0 B30f LD", True), ("Full dose", False)):
        assert noisy_ones("description").holds({description: (text,)}) == holds
    assert noisy_ones("SeriesDescription~10%").holds({description: ("dose 10%",)})
    with pytest.raises(UsageError, match="expected description, folder, or an expression"):
        noisy_ones("descripton")
