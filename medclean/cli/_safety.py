"""The safety figures of a run, for the screen: what needs a look comes first."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any, TypeAlias

from medclean.cli._drawing import offscreen
from medclean.log import printable

WIDTH = 80  # columns, on a terminal and off it
SHOWN = 10  # series that have lines of their own
NAMED = 8  # series that a sentence names
FIGURES = ("bias", "structure", "edges", "noise", "spot")
COLOURS = {"red": "red", "amber": "yellow", "green": "green"}
MARKS = {"red": "!", "amber": "~", "green": " "}
INDENT = 11  # columns, for what a line is about
UNKNOWN = "-"  # in the place of a value
_BLANK = "\N{NO-BREAK SPACE}"
_DIGITS = {"bias": ".2f", "structure": ".2f", "edges": ".2f", "noise": ".2f", "spot": ".1f"}

Series: TypeAlias = Mapping[str, Any]
"""As in ``Summary.safety``."""

Styled: TypeAlias = tuple[str, str, str]
"""A line: what verdict it has, what is coloured so, and the text behind that."""


def table(series: Sequence[Series]) -> str:
    """A line for each series, then each remark once, with the series that it is about.

    Of many series the worst have lines of their own, none that is green, and the others a count.
    Coloured on a terminal, unless ``NO_COLOR`` is set; ``~`` is amber and ``!`` red without it.

    Returns:
        ``""`` where there are none.
    """
    from rich.text import Text

    worst = sorted(series, key=_order)
    text = Text()
    for verdict, word, line in [*_rows(worst), *_remarks(worst)]:
        text.append(f"{word:{INDENT}}", style=COLOURS.get(verdict, ""))
        text.append(line.rstrip() + "\n")
    console = offscreen(soft_wrap=True)
    with console.capture() as drawn:
        console.print(text, end="")
    return drawn.get().rstrip("\n")


def _order(one: Series) -> tuple[int, ...]:
    """The more of its figures are red, and then amber, the earlier."""
    count = Counter(one[figure]["verdict"] for figure in FIGURES)
    return tuple(-count[verdict] for verdict in COLOURS)


def _rows(worst: Sequence[Series]) -> Iterator[Styled]:
    """The table."""
    few = len(worst) <= SHOWN
    shown = [one for one in worst if few or one["verdict"] != "green"][:SHOWN]
    wide = max((len(_name(one)) for one in shown), default=0)
    if shown:
        yield "", "", f"{'series':{wide}}  {'bias':>8}   structure   edges   noise    spot"
    for one in shown:
        cells = (_value(figure, one[figure]) + MARKS[one[figure]["verdict"]] for figure in FIGURES)
        widths = zip(cells, (9, 11, 7, 7, 7), strict=True)
        line = " ".join(f"{cell:>{width}}" for cell, width in widths)
        yield one["verdict"], one["verdict"], f"{_name(one):{wide}}  {line}"
    if left := Counter(one["verdict"] for one in worst[len(shown) :]):
        counts = ", ".join(f"{left[verdict]} {verdict}" for verdict in COLOURS if left[verdict])
        yield (
            "",
            f"{left.total()} more" if shown else "series",
            f"{counts}; the manifest has them all",
        )


def _remarks(worst: Sequence[Series]) -> Iterator[Styled]:
    """What is wrong, in which series, and where to look first."""
    about: dict[tuple[str, str], list[tuple[str, Mapping[str, Any]]]] = {}
    for figure in FIGURES:
        for verdict in ("red", "amber"):
            for one in worst:
                if (found := one[figure])["verdict"] == verdict:
                    word = UNKNOWN if found["value"] is None else figure
                    about.setdefault((word, found["says"]), []).append((_name(one), found))
    for (word, says), concerned in about.items():
        _, first = concerned[0]
        yield from _paragraph(first["verdict"], word, says)
        if len(worst) > 1:
            yield from _paragraph("", "", _named([name for name, _ in concerned]))
        if at := first.get("at"):
            yield "", "", _place(at)
    if held := [_name(one) for one in worst if one["status"] == "failed"]:
        yield from _paragraph("red", "unwritten", "a limit of --fail-on is crossed")
        if len(worst) > 1:
            yield from _paragraph("", "", _named(held))


def _paragraph(verdict: str, word: str, text: str) -> Iterator[Styled]:
    first, *others = (line.replace(_BLANK, " ") for line in wrap(text, WIDTH - INDENT))
    yield verdict, word, first
    yield from (("", "", line) for line in others)


def _named(names: Sequence[str]) -> str:
    """The first of them, each once, none of which breaks at the end of a line."""
    names = list(dict.fromkeys(names))
    more = len(names) - NAMED
    listed = ", ".join(name.replace(" ", _BLANK) for name in names[:NAMED])
    return f"{listed} and{_BLANK}{more}{_BLANK}more" if more > 0 else listed


def _name(one: Series) -> str:
    return f"{one['modality'] or 'series'} {one['label'] or ''}".strip()


def _value(figure: str, found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return UNKNOWN
    space = " " if found["unit"] == "HU" else ""
    return f"{found['value']:{_DIGITS[figure]}}{space}{found['unit']}"


def _place(at: Mapping[str, Any]) -> str:
    """Where to look first; of a long path the end."""
    frame = f", frame {at['frame'] + 1}" if at["frame"] else ""
    pixel = f", row {at['row']}, column {at['column']}" if "row" in at else ""
    path, room = printable(at["path"]), WIDTH - INDENT - len(f"look at {frame}{pixel}")
    return f"look at {path if len(path) <= room else '...' + path[3 - room :]}{frame}{pixel}"
