"""The shape of the house: imports point down, files are short, the command line is light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import medclean

ROOT = Path(medclean.__file__).parent
FILES = {".".join(f.relative_to(ROOT.parent).with_suffix("").parts): f for f in ROOT.rglob("*.py")}
TREES = {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in FILES.items()}
FLOORS = """
    errors
    options files log device signals
    catalog
    jobs volume
    physics networks
    archive preprocess quality losses semantic
    learning
    models
    checkpoints
    inference
    training
    report
    pipelines
    cli
    __main__
"""
FLOOR = {name: n for n, names in enumerate(FLOORS.split("\n")) for name in names.split()}
LIGHT = """
import sys
from medclean.cli import main
try:
    main()
finally:
    heavy = {"torch", "numpy", "pydicom", "rich.progress", "tqdm"} & set(sys.modules)
    if heavy:
        print("loaded:", *heavy, file=sys.stderr)
"""


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names that a module imports anywhere; a name from a module counts as its part."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module}.{part.name}" for part in node.names)
        elif isinstance(node, ast.Import):
            yield from (part.name for part in node.names)


def at_import(tree: ast.Module) -> Iterator[str]:
    """What a module imports when it is imported itself: not in functions, not for types only."""
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imported(ast.Module([node], []))


def module_of(name: str) -> str:
    return f"{name}.__init__" if f"{name}.__init__" in FILES else name


def test_imports_point_down():
    wrong = []
    for name, tree in TREES.items():
        _, own, *_ = name.split(".")
        for other in imported(tree):
            package, part, *_ = f"{other}.".split(".")
            if package == "medclean" and part in FLOOR and part != own:
                wrong += [f"{name}: {other}"] if FLOOR[part] >= FLOOR.get(own, -1) else []
    assert not wrong


def test_every_group_has_its_floor():
    groups = {name.split(".")[1] for name in FILES} - {"__init__"}
    assert groups <= FLOOR.keys()


def test_no_relative_imports():
    assert not [
        f"{name}: {o}" for name, tree in TREES.items() for o in imported(tree) if o[0] == "."
    ]


def test_no_module_imports_itself_through_others():
    graph = {}
    for name, tree in TREES.items():
        names = {n for other in at_import(tree) for n in (other, other.rpartition(".")[0])}
        graph[name] = {module_of(n) for n in names if module_of(n) in FILES} - {name}
        graph[name].discard(f"{name.rpartition('.')[0]}.__init__")  # its package: `from a import b`
    TopologicalSorter(graph).prepare()


def test_files_are_short():
    long = {n: len(file.read_text(encoding="utf-8").splitlines()) for n, file in FILES.items()}
    assert not {name: lines for name, lines in long.items() if lines > 300}


def test_every_file_says_what_it_is():
    assert not [name for name, tree in TREES.items() if not ast.get_docstring(tree)]


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "models",
        "models --json",
        "denoise --help",
        "prepare --help",
        "evaluate --help",
        "report --help",
        "train --help",
        "doctor --help",
    ],
)
def test_the_command_line_loads_nothing_heavy(words):
    command = [sys.executable, "-c", LIGHT, *words.split()]
    done = subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
