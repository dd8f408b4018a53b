"""One HTML file: no request leaves it, and all text from data is escaped."""

import json
from dataclasses import replace
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from medclean.report.page import NOTICE, Case, Page, View

ROW = 1200  # bytes of a series in the table
CARDS = 200  # series with a card of their own; the table has all
SIGNS = {
    "green": "\N{BLACK CIRCLE}",
    "amber": "\N{BLACK UP-POINTING TRIANGLE}",
    "red": "\N{BLACK SQUARE}",
}
_ESCAPES = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def html(page: Page, *, most: int) -> bytes:
    """The page as a file.

    Args:
        page: What it says.
        most: Bytes that it may have: the last series lose their pictures for it, then their rows,
            and the page says so.
    """
    rows = most // (2 * ROW)
    if len(page.cases) > rows:
        said = f"the table shows {rows} of {len(page.cases)} series; --format csv has all"
        page = replace(page, cases=page.cases[:rows], gaps=(*page.gaps, said))
    content = _render(page)
    while len(content) > most and (smaller := _smaller(page, len(content) - most)):
        page = smaller
        content = _render(page)
    return content


def script_json(value: Any) -> Markup:
    """JSON that ends no script and breaks no line of one."""
    text = json.dumps(value, separators=(",", ":"))
    for sign, escaped in _ESCAPES.items():
        text = text.replace(sign, escaped)
    return Markup(text)


def _render(page: Page) -> bytes:
    shown = [case for case in page.cases if case.pictures][:CARDS]
    return (
        _template()
        .render(
            page=page,
            notice=NOTICE,
            cards=shown,
            signs=SIGNS,
            several=len({one.method for one in page.results}) > 1 or page.blind,
            told=any(case.about for case in page.cases),
            reasons=any(one.reason for one in page.results),
            css=_part("page.css"),
            js=_part("page.js"),
            data=script_json({"page": _id(page), "series": {c.name: _views(c) for c in shown}}),
        )
        .encode()
    )


def _views(case: Case) -> list[dict[str, Any]]:
    """What the script needs of a series: all pictures but those that stand in the page already."""
    views = case.pictures.views if case.pictures else ()
    return [_view(view, first=place == 0) for place, view in enumerate(views)]


def _view(view: View, *, first: bool) -> dict[str, Any]:
    slices = []
    for place, one in enumerate(view.slices):
        there = first and place == view.first
        sets = [
            [("" if there and n == one.begin else uri) for n, uri in enumerate(of)]
            for of in (one.after, one.removed, one.error)
        ]
        slices.append([one.place, one.note, "" if there else one.before, *sets])
    return {
        "name": view.name,
        "ratio": round(view.wide / view.high, 5),
        "bar": [view.bar[0], round(100 * view.bar[1], 2)],
        "of": view.of,
        "first": view.first,
        "says": view.says,
        "slices": slices,
    }


def _smaller(page: Page, excess: int) -> Page | None:
    """The page with less: without pictures of its last series, else without its last rows."""
    cases, saved, dropped = list(page.cases), 0, 0
    pictured = [n for n, case in enumerate(cases) if case.pictures and case.pictures.views]
    for place in reversed(pictured):
        if saved > excess:
            break
        shown = cases[place].pictures
        saved += sum(len(str(view)) for view in shown.views) if shown else 0
        cases[place] = replace(cases[place], pictures=None)
        dropped += 1
    if dropped:
        said = f"{dropped} series have no images here: the page has no room for them; see --max-mb"
        return replace(page, cases=tuple(cases), gaps=(*page.gaps, said))
    kept = len(cases) * 2 // 3
    if kept < 1:
        return _without_graphs(page)
    said = f"the table shows {kept} of {len(cases)} series; --format csv has all"
    told = tuple(gap for gap in page.gaps if not gap.startswith("the table shows"))
    whole = next((g for g in page.gaps if g.startswith("the table shows")), "")
    if whole:
        said = f"the table shows {kept} of {whole.split()[5]} series; --format csv has all"
    return replace(page, cases=tuple(cases[:kept]), gaps=(*told, said))


def _without_graphs(page: Page) -> Page | None:
    """The page without its last section that has graphs."""
    drawn = [n for n, section in enumerate(page.sections) if section.graphs]
    if not drawn:
        return None
    sections, last = list(page.sections), drawn[-1]
    said = f"the graphs of {sections[last].title!r} have no room on the page; see --max-mb"
    sections[last] = replace(sections[last], graphs=())
    return replace(page, sections=tuple(sections), gaps=(*page.gaps, said))


def _id(page: Page) -> str:
    """Under which a browser keeps the ratings of this page: of the same series and settings."""
    names = sorted((case.name, one.method) for case in page.cases for one in case.results)
    settings = [(method.name, method.facts.get("Settings")) for method in page.methods]
    said = json.dumps([names, settings, page.reading])
    return sha256(said.encode()).hexdigest()[:16]


@cache
def _template() -> Any:
    environment = Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        loader=FunctionLoader(lambda name: str(_part(name))),
    )
    return environment.get_template("page.html.j2")


@cache
def _part(name: str) -> Markup:
    return Markup((files("medclean.report") / "pages" / name).read_text(encoding="utf-8"))
