"""Which result is of which reference: by what files say, by UIDs, by name, by geometry.

Nothing is resampled. Grids that differ by no more than the order of axes and the way they run, as
those of a DICOM series and of the NIfTI made from it, are turned onto each other exactly.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from medclean.pipelines._cases import Case

NEAR = 0.05  # of the smallest spacing, by which grids may differ at their corners

A = TypeVar("A", bound="NDArray[Any]")


@dataclass(frozen=True)
class Turn:
    """How a stack is laid onto another: which axis of it becomes each, and which run backwards."""

    axes: tuple[int, ...] = (0, 1, 2)
    backwards: tuple[bool, ...] = (False, False, False)

    def __call__(self, stack: A) -> A:
        """The same voxels, in the same memory."""
        turned = stack.transpose(self.axes)
        steps = tuple(slice(None, None, -1 if back else 1) for back in self.backwards)
        return turned[steps]  # type: ignore[return-value]  # a view of the same kind


class Match(NamedTuple):
    """A case of a result, what told that it is of the reference, and how it is laid onto it."""

    case: Case
    how: str
    turn: Turn


class Refusal(NamedTuple):
    """Why a reference has no match: a sentence without names, and the files that it is about."""

    why: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.why} ({', '.join(self.names)})" if self.names else self.why


def matched(
    references: Sequence[Case],
    results: Sequence[Case],
    noisy: Sequence[Case] = (),
    *,
    by: str = "auto",
    units: bool = True,
) -> dict[Case, Match | Refusal]:
    """For each reference a match, or why there is none.

    A reference of an odd kind (localizer, map and so on) without any is left out: nobody expects a
    result of it.

    Args:
        references: All of them.
        results: Of one result.
        noisy: What results may have been made from.
        by: Which rules to go by; ``"auto"`` for all in their turn.
        units: Whether a match has to be in the unit of its reference; a mask has none.
    """
    found: dict[Case, Match | Refusal] = {}
    left = list(results)
    for rule in _rules(results, noisy):
        if by not in ("auto", rule.name):
            continue
        pairs = {r: _closest(r, [c for c in left if rule.fits(r, c)]) for r in references}
        suitors = Counter(case for r, cases in pairs.items() if r not in found for case in cases)
        for reference, cases in pairs.items():
            if reference in found or not cases:
                continue
            if len(cases) > 1:
                if rule.certain:
                    found[reference] = _several(cases, rule)
            elif suitors[cases[0]] == 1 or rule.certain:
                found[reference] = _checked(
                    reference, cases[0], rule, asked=by == rule.name, units=units
                )
                left = [case for case in left if case is not cases[0]]
    for reference in references:
        if reference not in found and not reference.series.kinds:
            found[reference] = _none(reference, left)
    return found


def turn_between(case: Case, to: Case) -> Turn | None:
    """How the grid of a case is laid onto another's; None where that takes more than turning."""
    corners = np.array([*product(*((0, length - 1) for length in to.shape)), *np.eye(3)])
    there = corners @ np.array(to.affine)[:3, :3].T + np.array(to.affine)[:3, 3]
    # Of an axis with a single voxel nobody needs to know where the next one would lie.
    axes = np.array([*(True,) * 8, *(length > 1 for length in to.shape)])
    limit = NEAR * min(to.spacing[1:])
    for order, backwards in product(permutations(range(3)), product((False, True), repeat=3)):
        if tuple(case.shape[axis] for axis in order) != to.shape:
            continue
        places = np.empty_like(corners)
        for axis, back, along in zip(order, backwards, corners.T, strict=True):
            places[:, axis] = case.shape[axis] - 1 - along if back else along
        here = places @ np.array(case.affine)[:3, :3].T + np.array(case.affine)[:3, 3]
        if np.linalg.norm(here - there, axis=1)[axes].max() <= limit:
            return Turn(order, backwards)
    return None


class _Rule(NamedTuple):
    """What tells that a case is of a reference.

    Attributes:
        name: That ``--match`` knows it by.
        how: What the user is told.
        fits: Whether a reference and a case belong together.
        certain: Files say so themselves: neither another patient's name nor another reference that
            fits as well makes it doubtful.
    """

    name: str
    how: str
    fits: Callable[[Case, Case], bool]
    certain: bool = False


def _rules(results: Sequence[Case], noisy: Sequence[Case]) -> Iterator[_Rule]:
    """In the order in which they are believed."""
    origins = {case: _origins(case, noisy) for case in results}
    yield _Rule("sources", "source references", lambda r, c: bool(origins[c] & r.uids), True)
    yield _Rule("uids", "UIDs", lambda r, c: bool(c.uids & r.uids), True)
    yield _Rule("sources", "common sources", lambda r, c: bool(origins[c] & r.sources), True)
    yield _Rule("name", "path", lambda r, c: c.name == r.name)
    yield _Rule("name", "file name", lambda r, c: _last(c.name) == _last(r.name))
    yield _Rule("geometry", "geometry", _on_one_grid)


def _origins(case: Case, noisy: Sequence[Case]) -> frozenset[str]:
    """What a case was made from, and what that was made from."""
    between = (other.sources for other in noisy if other.uids & case.sources)
    return case.sources.union(*between)


def _closest(reference: Case, cases: list[Case]) -> list[Case]:
    """Of several cases those on the grid of the reference; of several still, those of its place."""
    tests: tuple[Callable[[Case], bool], ...] = (
        lambda case: _on_one_grid(reference, case),
        lambda case: case.group == reference.group,
        lambda case: case.name == reference.name,
    )
    for test in tests:
        if len(cases) > 1:
            cases = [case for case in cases if test(case)] or cases
    return cases


def _on_one_grid(reference: Case, case: Case) -> bool:
    return turn_between(case.onto(reference), reference) is not None


def _unlike_segments(case: Case, reference: Case) -> int:
    """The first segment whose number means something else in the reference; 0 for none."""
    known = dict(reference.about.segments)
    return next((n for n, code in case.about.segments if known.get(n, code) != code), 0)


def _checked(
    reference: Case, case: Case, rule: _Rule, *, asked: bool, units: bool
) -> Match | Refusal:
    """A match, unless what was matched cannot be compared."""
    case = case.onto(reference)
    turn = turn_between(case, reference)
    elsewhere = {c.about.place for c in (case, reference)} - {""}
    if case.segmented and len(elsewhere) > 1:
        return Refusal(f"matched by {rule.how}, it is in another frame of reference", (case.name,))
    unlike = _unlike_segments(case, reference)
    if unlike:
        return Refusal(
            f"matched by {rule.how}, its segment {unlike} is another structure than that of the "
            "reference; number them alike",
            (case.name,),
        )
    if turn is None:
        return Refusal(
            f"matched by {rule.how}, it has another grid: {_grid(case)} against "
            f"{_grid(reference)}; nothing is resampled here",
            (case.name,),
        )
    one, other = (c.series.modality or c.series.unit for c in (case, reference))
    if units and (one != other or case.series.unit != reference.series.unit):
        return Refusal(
            f"matched by {rule.how}, it is {one} in {case.series.unit}, and the reference {other} "
            f"in {reference.series.unit}; --modality says what NIfTI files do not",
            (case.name,),
        )
    alike = case.series.format == reference.series.format
    doubtful = alike and case.patient and reference.patient and case.patient != reference.patient
    if doubtful and not (rule.certain or asked):
        return Refusal(
            f"matched by {rule.how}, it is another patient's; if not, say --match {rule.name}",
            (case.name,),
        )
    return Match(case, rule.how, turn)


def _several(cases: Sequence[Case], rule: _Rule) -> Refusal:
    return Refusal(
        f"{len(cases)} stacks belong to it by {rule.how}; give each by itself",
        tuple(case.name for case in cases[:2]),
    )


def _none(reference: Case, left: Sequence[Case]) -> Refusal:
    if not left:
        return Refusal("no image is left that could be its result")
    grids = f": {_grid(left[0])} against {_grid(reference)}" if len(left) == 1 else ""
    return Refusal(
        f"nothing was made from it, or has its UIDs, its name, or alone its grid{grids}; give what "
        "belongs to it its name"
    )


def _grid(case: Case) -> str:
    size = " x ".join(map(str, case.shape))
    return f"{size} of " + " x ".join(f"{s:.4g}" for s in case.spacing) + " mm"


def _last(name: str) -> str:
    return name.rpartition("/")[2]
