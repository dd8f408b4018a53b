"""Catalogues: each public module of a folder provides one thing, under the module's name.

Names, summaries and options are read from the files, so that listing imports nothing; a module is
imported when its thing is asked for.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from medclean.errors import unknown
from medclean.options import build, parse


class Option(NamedTuple):
    """One option of a thing: its type as written, its default, its help with what it may be."""

    type: str
    default: Any
    help: str


class Entry(NamedTuple):
    """What a file says about the thing that it provides.

    Attributes:
        summary: First line of the module's docstring.
        facts: Plain literals of the provided class, such as ``kind = "gan"``.
        options: Annotated literals of its inner class ``Options``, where there is none of the
            provided class itself: ``sigma: Level = 0.05``; and of the classes that it extends.
    """

    summary: str
    facts: dict[str, Any]
    options: dict[str, Option]


class Catalog:
    """The things that a folder's modules provide, by file name with '-' for '_'.

    Args:
        folder: Dotted, inside medclean: ``"physics.noise"``.
        kind: What messages call a thing: ``"noise"``.
    """

    def __init__(self, folder: str, kind: str) -> None:
        self.folder, self.kind = folder, kind

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._files()))

    def make(self, spec: str) -> Any:
        """Build what a spec asks for: ``NOISES.make("rician:sigma=0.1")``.

        Raises:
            UsageError: No such thing, no such option, or a value that does not fit.
        """
        name, values = parse(spec)
        thing = self.provided(name)
        if hasattr(thing, "Options"):
            return thing(build(thing.Options, values, name))
        return build(thing, values, name)

    def provided(self, name: str) -> Any:
        """Import the class that goes by a name."""
        return import_module(f"medclean.{self.folder}.{self._file(name).stem}").PROVIDES

    def entry(self, name: str) -> Entry:
        """Read about a thing without importing it."""
        tree = _parsed(self._file(name))
        match tree.body[-1]:
            case ast.Assign([ast.Name("PROVIDES")], ast.Name(thing)):
                provided = _classes(tree)[thing]
            case _:
                raise SyntaxError(f"{name}: the last line is not PROVIDES = Thing")
        entry = Entry((ast.get_docstring(tree) or "").partition("\n")[0], {}, {})
        for line in provided.body:
            match line:
                case ast.Assign([ast.Name(fact)], ast.Constant(value)):
                    entry.facts[fact] = value
        helps: dict[str, str] = {}
        for node in _stating(provided, tree):
            helps |= _helps(ast.get_docstring(node) or "")
            for line in node.body:
                match line:
                    case ast.AnnAssign(ast.Name(name), kind, ast.expr() as default):
                        help_ = " ".join(filter(None, (helps.get(name), _choices(kind))))
                        value = ast.literal_eval(default)
                        entry.options[name] = Option(ast.unparse(kind), value, help_)
        return entry

    def _files(self) -> dict[str, Path]:
        files = Path(__file__).parent.joinpath(*self.folder.split(".")).glob("[!_]*.py")
        return {file.stem.replace("_", "-"): file for file in files}

    def _file(self, name: str) -> Path:
        files = self._files()
        if name not in files:
            raise unknown(self.kind, name, sorted(files))
        return files[name]


def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _classes(node: ast.Module | ast.ClassDef) -> dict[str, ast.ClassDef]:
    """The classes in the body of a module or a class, by name."""
    return {line.name: line for line in node.body if isinstance(line, ast.ClassDef)}


def _stating(provided: ast.ClassDef, tree: ast.Module) -> Iterable[ast.ClassDef]:
    """The classes whose literals are options; none where only a base has (empty) ``Options``."""
    if options := _classes(provided).get("Options"):
        return _lineage(options, tree)
    own = [*_lineage(provided, tree)]
    return () if any("Options" in _classes(node) for node in own) else own


def _lineage(node: ast.ClassDef, tree: ast.Module) -> Iterator[ast.ClassDef]:
    """A class after the one that it extends, which is read where it is imported from."""
    for line in tree.body:
        match line, node.bases:
            case ast.ImportFrom(str(module), names), [ast.Name(base)]:
                ours = module.startswith("medclean.")  # another's base, such as ABC, states nothing
                if ours and base in [name.name for name in names]:
                    file = Path(__file__).parent.parent.joinpath(*module.split("."))
                    above = _parsed(file.with_suffix(".py"))
                    yield from _lineage(_classes(above)[base], above)
    yield node


def _choices(kind: ast.expr) -> str:
    """What an option may be, where its type lists it."""
    match kind:
        case ast.Subscript(ast.Name("Literal"), ast.Tuple() as choices):
            return f"One of {', '.join(map(str, ast.literal_eval(choices)))}."
    return ""


def _helps(docstring: str) -> dict[str, str]:
    """The lines of help in the ``Attributes:`` part of a docstring, by attribute."""
    _, _, part = docstring.partition("Attributes:\n")
    entries = re.findall(r"^    (\w+): ((?:.|\n(?=     ))*)", part, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


NOISES = Catalog("physics.noise", "noise")
MASKS = Catalog("physics.masks", "mask")
NORMALISERS = Catalog("preprocess.normalise", "normaliser")
METRICS = Catalog("quality.metrics", "metric")
SCHEDULES = Catalog("learning.schedules", "schedule")
MODELS = Catalog("models", "model")
