"""Limits of the user's own: a series whose figures cross one has failed.

A figure is that of the whole series or of its worst frame, whichever is worse.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from medclean.errors import UsageError, unknown
from medclean.quality.limits import TABLE
from medclean.volume import level_of

FROM_BELOW = ("edges",)  # crossed by values under the limit; all others by values over it


class Gate(NamedTuple):
    """A limit: ``bias=5HU``, which concerns CT alone, or ``edges=0.9``."""

    figure: str
    limit: float
    unit: str

    def crossed(self, judged: Mapping[str, Any]) -> str | None:
        """What is wrong with a series; None where nothing is, or its figure is in another unit.

        Args:
            judged: As ``limits.judged`` gives it. What could not be measured crosses every limit:
                nobody knows that it keeps it.
        """
        found = judged[self.figure]
        value, unit = found["value"], found["unit"]
        if unit != self.unit:
            return None
        if value is None:
            asked = f"{self.figure}={self.limit:g}{unit}"
            return f"{self.figure} {found['says']}, so that {asked} cannot be judged"
        lower = self.figure in FROM_BELOW
        if value >= self.limit if lower else value <= self.limit:
            return None
        side, space = "below" if lower else "above", " " if unit == "HU" else ""
        return f"{self.figure} is {value:.3g}{space}{unit}, {side} {self.limit:g}{space}{unit}"


def parse(text: str | None) -> tuple[Gate, ...]:
    """``"bias=5HU,bias=2%,edges=0.9"`` as gates; none for None.

    Raises:
        UsageError: No such figure, no number, or a unit that the figure does not have.
    """
    gates = [_gate(part.strip()) for part in text.split(",")] if text else []
    doubled = next((g for n, g in enumerate(gates) for h in gates[:n] if g[::2] == h[::2]), None)
    if doubled:
        raise UsageError(f"--fail-on {text}: {doubled.figure} stands there twice")
    return tuple(gates)


def _gate(part: str) -> Gate:
    figure, equals, level = (word.strip() for word in part.partition("="))
    units = [limit.unit for limit in TABLE if limit.figure == figure]
    if not equals:
        raise UsageError(f"--fail-on {part}: expected figure=limit, as in edges=0.9")
    if not units:
        raise unknown("safety figure", figure, dict.fromkeys(limit.figure for limit in TABLE))
    try:
        value, unit = level_of(level)
    except ValueError as error:
        raise UsageError(f"--fail-on {part}: {error}") from None
    if unit not in units:
        expected = " or ".join(f"{figure}={value:g}{known}" for known in units)
        raise UsageError(f"--fail-on {part}: expected {expected}")
    return Gate(figure, value, unit)
