"""Where the slices of a series do not make whole, even stacks."""

from itertools import pairwise

from medclean.archive.series import Series

UNEVEN = "its slices lie at uneven distances"
_TOLD = 3  # gaps that are named


def fault(series: Series) -> str:
    """Why its stacks are no volumes, and how to have them all the same; ``""`` where they are.

    Args:
        series: As a scan found it.
    """
    if gaps := missing(series):
        return f"{gaps}; --allow-missing takes the parts between"
    if not all(group.even for group in series.groups):
        return f"{UNEVEN}; --allow-missing takes them as even ones"
    return ""


def missing(series: Series) -> str:
    """Which slices are missing, as far as the places of the others show; else ``""``.

    Args:
        series: As a scan found it: its stacks end at gaps.
    """
    named = []
    for one, other in pairwise(series.groups):
        count = other.first - one.first - len(one.frames)
        if count > 0 and one.places == other.places:  # a stack of its own begins at place 1
            last, first = (
                series.instances[f.instance].name for f in (one.frames[-1], other.frames[0])
            )
            named.append(f"{count} slice{'s'[: count != 1]} between {last} and {first}")
    more = f" and {len(named) - _TOLD} gaps more" if len(named) > _TOLD else ""
    return f"missing: {', '.join(named[:_TOLD])}{more}" if named else ""
