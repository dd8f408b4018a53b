"""Where slices of a series are missing."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from medclean.archive.dicom.grouping import GAPS
from medclean.archive.dicom.stacks import GAP
from medclean.archive.series import Group, Series

_NOTE = GAPS.rpartition("}")[2]  # what all notes of gaps have in common
_TOLD = 3  # gaps that are named


def missing(series: Series) -> str:
    """Which slices are missing, as far as the even distance of the others shows; else ``""``.

    Args:
        series: As a scan found it: its stacks end at gaps.
    """
    if not any(note.endswith(_NOTE) for note in series.notes):
        return ""
    stacks = sorted((g for g in series.groups if not g.in_time), key=_height)
    named = []
    for one, other in pairwise(stacks):
        count = _between(one, other)
        if count and _alike(one, other):
            last, first = (
                series.instances[f.instance].path for f in (one.frames[-1], other.frames[0])
            )
            named.append(f"{count} slice{'s'[: count != 1]} between {last} and {first}")
    more = f" and {len(named) - _TOLD} gaps more" if len(named) > _TOLD else ""
    return f"missing: {', '.join(named[:_TOLD])}{more}" if named else "slices are missing"


def _between(one: Group, other: Group) -> int:
    """Slices that would fit between two stacks."""
    longer = max((one, other), key=lambda group: len(group.frames))
    step = float(_axes(longer)[:, 0] @ _normal(longer))
    end = _height(one) + (len(one.frames) - 1) * float(_axes(one)[:, 0] @ _normal(one))
    apart = (_height(other) - end) / step
    return max(1, round(apart) - 1) if apart > GAP else 0


def _alike(one: Group, other: Group) -> bool:
    same = np.allclose(_axes(one)[:, 1:], _axes(other)[:, 1:], atol=1e-3)
    return same and one.shape == other.shape


def _height(group: Group) -> float:
    return float(np.array(group.affine)[:3, 3] @ _normal(group))


def _axes(group: Group) -> NDArray[np.float64]:
    return np.array(group.affine)[:3, :3]


def _normal(group: Group) -> NDArray[np.float64]:
    """Unit normal of the plane, towards the following slices."""
    axes = _axes(group)
    normal = np.cross(axes[:, 2], axes[:, 1])
    normal *= np.sign(normal @ axes[:, 0]) or 1.0
    return normal / np.linalg.norm(normal)
