"""``medclean models``."""

import json as json_
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medclean.catalog import MODELS
from medclean.checkpoints import shipped
from medclean.cli._command import emit
from medclean.cli._drawing import offscreen
from medclean.errors import Exit

if TYPE_CHECKING:
    from rich.table import Table

FIGURES = ("patients", "noise", "metrics", "bf16")


def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Show these with their options.", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a list for machines.")] = False,
) -> Exit:
    """List the models: what they are, the weights that are shipped, and their options."""
    rows = [_row(name) for name in names or MODELS]
    emit(json_.dumps(rows, indent=1) if json else _table(rows, options=bool(names)))
    return Exit.DONE


def _row(name: str) -> dict[str, Any]:
    entry = MODELS.entry(name)
    cards = {stem: card for stem, card in shipped().items() if card.model == name}
    return {
        "name": name,
        "summary": entry.summary,
        "kind": entry.facts["kind"],
        "package": _package(entry.facts),
        "weights": [
            {
                "name": stem,
                "modality": card.modality,
                "sha256": card.sha256,
                "licence": card.licence,
                "figures": {figure: getattr(card, figure) for figure in FIGURES},
            }
            for stem, card in cards.items()
        ],
        "options": {key: option._asdict() for key, option in entry.options.items()},
    }


def _package(facts: dict[str, Any]) -> dict[str, Any] | None:
    """What a model needs and medclean does not bring, for its licence; None for nothing."""
    if "package" not in facts:
        return None
    name = facts["package"]
    return {"name": name, "licence": facts["licence"], "installed": find_spec(name) is not None}


def _table(rows: list[dict[str, Any]], *, options: bool) -> str:
    from rich.table import Table

    console = offscreen()
    table = Table("model", "kind", "weights", "summary", box=None, pad_edge=False)
    for row in rows:
        weights = ", ".join(f"{w['modality']} ({w['licence']})" for w in row["weights"])
        table.add_row(row["name"], row["kind"], weights or "-", row["summary"])
        if package := row["package"]:
            state = "installed" if package["installed"] else "not installed"
            table.add_row("", "", "", f"{state}: package {package['name']}, {package['licence']}")
    with console.capture() as text:
        console.print(table, markup=False)
        for row in rows if options else ():
            console.print(_options(row))
    return "\n".join(line.rstrip() for line in text.get().rstrip().splitlines())


def _options(row: dict[str, Any]) -> "Table":
    from rich.table import Table

    table = Table(f"\n{row['name']}:", "\ndefault", "\n", box=None, pad_edge=False)
    for name, option in row["options"].items():
        table.add_row(name, str(option["default"]), option["help"])
    return table
