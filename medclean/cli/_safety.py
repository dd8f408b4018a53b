"""The safety figures of a run, for the screen: what needs a look comes first."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from medclean.log import printable

SHOWN = 10  # series that have lines of their own
FIGURES = ("bias", "structure", "edges", "noise", "spot")
COLOURS = {"red": "red", "amber": "yellow", "green": "green"}
_DIGITS = {"bias": ".2f", "structure": ".2f", "edges": ".2f", "noise": ".2f", "spot": ".1f"}


def table(series: Sequence[Mapping[str, Any]]) -> str:
    """A line for each series, and one for each of its figures that is not green.

    Coloured on a terminal, unless ``NO_COLOR`` is set. Of many series the worst have lines of
    their own, and the others a count.

    Args:
        series: As in ``Summary.safety``.

    Returns:
        ``""`` where there are none.
    """
    from rich.console import Console
    from rich.text import Text

    worst = sorted(series, key=lambda one: list(COLOURS).index(one["verdict"]))
    text = Text()
    for verdict, line in _lines(worst[:SHOWN]):
        text.append(f"{verdict:6}", style=COLOURS.get(verdict, ""))
        text.append(f"{printable(line)}\n")
    left = Counter(one["verdict"] for one in worst[SHOWN:])
    if left:
        counts = (f"{left[verdict]} more {verdict}" for verdict in COLOURS if left[verdict])
        text.append(f"and {', '.join(counts)}; the manifest has them all\n")
    console = Console(highlight=False, soft_wrap=True)
    with console.capture() as drawn:
        console.print(text, end="")
    return drawn.get().rstrip("\n")


def _lines(series: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Verdict and text of each line; a figure that is green stands in its series' line alone."""
    for one in series:
        name = f"{one['modality'] or 'series'} {one['label'] or ''}".strip()
        figures = "  ".join(f"{figure} {_value(figure, one[figure])}" for figure in FIGURES)
        held = "  not written" if one["status"] == "failed" else ""
        yield one["verdict"], f"{name}  {figures}{held}"
        for figure in FIGURES:
            found = one[figure]
            if found["verdict"] != "green":
                yield "", f"{found['verdict']}: {figure} {_value(figure, found)}, {_said(found)}"


def _value(figure: str, found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return "-"
    space = " " if found["unit"] == "HU" else ""
    return f"{found['value']:{_DIGITS[figure]}}{space}{found['unit']}"


def _said(found: Mapping[str, Any]) -> str:
    if not (at := found.get("at")):
        return str(found["says"])
    frame = f" frame {at['frame'] + 1}," if at["frame"] else ""
    return f"{found['says']} ({at['path']},{frame} row {at['row']}, column {at['column']})"
