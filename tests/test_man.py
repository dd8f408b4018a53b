"""The man pages: as fresh as the command tree, complete, and well-formed."""

import re
import runpy
import shlex
import shutil
import subprocess
from inspect import getsource
from pathlib import Path

import pytest
import typer

import conformance
from medclean.archive import cases
from medclean.archive.dicom import derive, encode
from medclean.archive.runs import manifest
from medclean.cli import NOTICE, app
from medclean.errors import Exit
from medclean.pipelines import _case
from rules import content, identity

MAN = Path(__file__).parent.parent / "man"
WRITER = runpy.run_path(str(MAN / "write.py"))
PAGES = WRITER["pages"]()
COMMANDS = typer.main.get_command(app).commands


def test_pages_are_fresh():
    committed = {page.name: page.read_text(encoding="utf-8") for page in MAN.glob("*.1")}
    assert committed == PAGES, "run `make man`"


def test_every_status_is_explained():
    assert set(WRITER["STATUSES"]) == set(Exit)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_stands_in_its_page(name):
    page, spelt = PAGES[f"medclean-{name}.1"], WRITER["_text"]
    for parameter in COMMANDS[name].params:
        assert spelt(parameter.help) in page
        argument = parameter.param_type_name == "argument"
        assert all(spelt(n) in page for n in ([parameter.metavar] if argument else parameter.opts))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_what_medclean_is_not(page):
    assert NOTICE in PAGES[page].replace("\\", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_can_be_asked(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "dgan").mkdir(parents=True)
    (tmp_path / "runs" / "dgan" / "job.toml").write_text('model = "dgan"\n')
    for line in WRITER["MORE"][name].examples.values():
        program, command, *words = shlex.split(re.split(r"&&| \| ", line)[0])
        assert (program, command) == ("medclean", name)
        COMMANDS[name].make_context(name, words).close()


def test_the_manifest_is_described():
    said = (MAN / "medclean-run.5").read_text(encoding="utf-8")
    members = re.findall(r'^ +"(\w+)": ', getsource(manifest), re.MULTILINE)
    assert len(members) > 10
    assert not [name for name in members if not re.search(rf"\b{name}\b", said)]


def test_the_data_set_is_described():
    said = (MAN / "medclean-dataset.5").read_text(encoding="utf-8")
    members = re.findall(r'^ +"(\w+)": ', getsource(cases) + getsource(_case.written), re.MULTILINE)
    assert {"format", "patients", "noise_share", "checks"} <= set(members)
    assert not [name for name in members if not re.search(rf"\b{name}\b", said)]


def test_the_conformance_statement_is_fresh():
    assert conformance.PAGE.read_text(encoding="utf-8") == conformance.page(), "run `make man`"


def test_the_conformance_statement_is_true():
    """What it says of elements is what the writer does, and what the rules allow."""
    assert conformance.differing() == set(conformance.ALWAYS)
    explained = ", ".join([*conformance.ALWAYS, *conformance.SOMETIMES])
    for keyword in content.WRITTEN | content.FILLED | content.STAMPED:
        assert keyword in explained or keyword in ("PixelData", *derive.REMOVED)
    assert {*derive.REMOVED} >= content.REMOVED
    assert set(identity.LOSSLESS) == {*encode.NATIVE, *encode.SYNTAXES.values()}


def test_the_conformance_statement_says_what_medclean_is_not():
    assert NOTICE in conformance.page().replace("\\", "")


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_pages_are_well_formed():
    pages = [str(page) for page in sorted(MAN.glob("*.[157]"))]
    lint = ["mandoc", "-T", "lint", "-W", "warning", *pages]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
