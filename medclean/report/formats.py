"""A page as HTML, or its tables as CSV, JSON or Markdown."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from io import StringIO

from medclean.report.page import NOTICE, Page, Result, Table

FORMAT = 1


def rendered(page: Page, format_: str, *, most: int) -> bytes:
    """The content of the file.

    Args:
        page: What it says.
        format_: ``"html"``, ``"csv"``, ``"json"`` or ``"md"``.
        most: Bytes that HTML may have; series lose their images for it, the last ones first.
    """
    if format_ == "html":
        from medclean.report.html import html

        return html(page, most=most)
    writers: Mapping[str, Callable[[Page], str]] = {"csv": as_csv, "json": as_json, "md": as_md}
    return writers[format_](page).encode()


def index(page: Page) -> Table:
    """A row for each series and method."""
    figures = page.figures
    several = len({one.method for one in page.results}) > 1
    rows = tuple(
        (
            case.name,
            *((case.about,) if any(c.about for c in page.cases) else ()),
            case.modality,
            *((one.method,) if several or page.blind else ()),
            one.status,
            *(() if page.blind else (one.verdict, *_values(one, figures))),
            one.reason,
        )
        for case in page.cases
        for one in case.results
    )
    columns = (
        "series",
        *(("path",) if any(c.about for c in page.cases) else ()),
        "modality",
        *(("method",) if several or page.blind else ()),
        "status",
        *(() if page.blind else ("verdict", *figures)),
        "reason",
    )
    return Table("Series", columns, rows, "Outlying series first.")


def as_csv(page: Page) -> str:
    """The index of series; of scores alone, the first table."""
    tables = [index(page)] if page.cases else [t for s in page.sections for t in s.tables]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for table in tables[:1]:
        writer.writerow(map(_plain_text, table.columns))
        writer.writerows(map(_plain_text, row) for row in table.rows)
    return text.getvalue()


def as_json(page: Page) -> str:
    """All but pictures and drawings."""
    told = asdict(replace(page, cases=(), sections=(), methods=()))
    told["methods"] = [
        {"name": m.name, "title": m.title, "line": m.line}
        | {heading: dict(facts) for heading, facts in m.facts.items()}
        for m in page.methods
    ]
    told["series"] = [
        {"name": c.name, "modality": c.modality, "files": c.slices}
        | ({"path": c.about} if c.about else {})
        | {"results": [_plain(one) for one in c.results]}
        for c in page.cases
    ]
    told["tables"] = [
        {"section": s.title, "title": t.title, "columns": t.columns, "rows": t.rows}
        for s in page.sections
        for t in s.tables
    ]
    unwanted = ("cases", "sections")
    known = {name: value for name, value in told.items() if name not in unwanted}
    return json.dumps({"format": FORMAT, "notice": NOTICE, **known}, indent=1) + "\n"


def as_md(page: Page) -> str:
    """Tables and sentences, for a text that is written on."""
    return "\n".join(_lines(page)) + "\n"


def _lines(page: Page) -> Iterator[str]:
    yield f"# {_escaped(page.title)}"
    yield f"\nmedclean {page.version}, {page.made}. {NOTICE}"
    for gap in page.gaps:
        yield f"\n**Not here:** {_escaped(gap)}"
    for method in page.methods:
        yield f"\n## {_escaped(method.name)}\n\n{_escaped(method.title)}: {_escaped(method.line)}"
        for heading, facts in method.facts.items():
            if facts:
                yield from _table(Table(heading, ("", ""), tuple(map(tuple, facts))))
    if page.cases:
        yield from _table(index(page))
    if page.left_out:
        rows = tuple((reason, str(count)) for reason, count in page.left_out)
        yield from _table(Table("Left out", ("reason", "files"), rows))
    for section in page.sections:
        yield f"\n## {_escaped(section.title)}\n\n{_escaped(section.says)}"
        for table in section.tables:
            yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield f"\n### {_escaped(table.title)}\n"
    yield f"| {' | '.join(map(_escaped, table.columns))} |"
    yield f"|{' --- |' * len(table.columns)}"
    yield from (f"| {' | '.join(map(_escaped, row))} |" for row in table.rows)
    if table.says:
        yield f"\n{_escaped(table.says)}"


def _escaped(text: str) -> str:
    """Nothing of it is Markdown or HTML."""
    for sign in "\\`*_<>|[]":
        text = text.replace(
            sign, f"\\{sign}" if sign not in "<>" else f"&{'lt' if sign == '<' else 'gt'};"
        )
    return " ".join(text.splitlines())


def _plain_text(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: descriptions and paths are anybody's."""
    if not cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def _values(one: Result, figures: tuple[str, ...]) -> Iterator[str]:
    known = {light.figure: light.value for light in one.lights}
    yield from (known.get(figure, "") for figure in figures)


def _plain(one: Result) -> dict[str, object]:
    """A result fit for JSON."""
    return {
        "method": one.method,
        "status": one.status,
        "reason": one.reason,
        "verdict": one.verdict,
        "figures": {light.figure: light.number for light in one.lights},
        "notes": one.notes,
    }
