"""What the README shows is what the program takes."""

import re
import shlex
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from medclean import cli
from medclean.catalog import MODELS
from medclean.errors import Exit
from medclean.options import parse

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """Each ``medclean ...`` of the fenced blocks, without comments and redirections."""
    blocks = re.findall(r"^```\w+\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = (re.search(r"(?:^|\s)medclean (.*?)(?:\s#.*|\s>.*)?$", line) for line in lines)
    return [match[1].strip() for match in found if match]


@pytest.mark.parametrize("line", commands())
def test_a_command_is_understood(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def run(*arguments: Any) -> Any:
        asked.extend(arguments[:1])
        return SimpleNamespace(exit=Exit.DONE, line="", safety=())

    for name in ("denoise", "train"):  # what would do the work
        module = ModuleType(f"medclean.pipelines.{name}")
        setattr(module, name, run)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    if line.startswith("doctor"):
        pytest.skip("takes its time; the examples of its man page are parsed")
    assert cli.app(shlex.split(line), standalone_mode=False) == Exit.DONE
    for job in asked:
        assert parse(job.model)[0] in MODELS or job.model.startswith("./")


def test_the_readme_shows_every_command() -> None:
    shown = {line.split()[0] for line in commands()}
    known = {command.name or command.callback.__name__ for command in cli.app.registered_commands}
    assert shown == known


def test_the_exit_statuses_are_the_ones_that_scripts_get() -> None:
    table = {int(number) for number in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    assert table == {int(status) for status in Exit}


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (ROOT / target).exists(), target


def test_the_notice_stands_in_the_readme() -> None:
    assert "Not a medical device" in README
    assert "not intended for clinical usage" in README
