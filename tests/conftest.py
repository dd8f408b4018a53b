"""Every derived DICOM file that a test leaves behind is held against the rules for such files."""

import os
import warnings
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from time import perf_counter

import pytest

from medclean.archive.workers import Workers
from rules.standard import available
from rules.trees import Sources, derived_in, files, report

os.environ["MEDCLEAN_REPORT"] = "false"  # of the programs that tests start
SAMPLES = Path(__file__).parent.parent / "sample_data"
COUNTS: Counter[str] = Counter()
SHARED: list[Path] = []  # folders of fixtures that are no test's own


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Let a test fail whose outputs break a rule."""
    result = yield
    folder = item.funcargs.get("tmp_path")
    if folder and not item.get_closest_marker("breaks_rules"):
        refuse_broken(folder)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef, request):
    """Let a fixture fail whose outputs, which several tests share, break a rule."""
    if "tmp_path_factory" not in fixturedef.argnames or fixturedef.argname == "tmp_path":
        return (yield)
    root = request.getfixturevalue("tmp_path_factory").getbasetemp()
    before = {*root.iterdir()}
    result = yield
    made = [path for path in root.iterdir() if path not in before and not path.is_symlink()]
    SHARED.extend(made)
    for folder in made:
        refuse_broken(folder)
    return result


@pytest.fixture(autouse=True)
def no_pages(request, monkeypatch):
    """Runs draw no page of themselves, which takes a second, but where a test is about that."""
    if request.node.get_closest_marker("pages"):
        monkeypatch.delenv("MEDCLEAN_REPORT")
    else:
        monkeypatch.setattr("medclean.pipelines._own_page.attempt", lambda *_: None)


@pytest.fixture
def no_processes(monkeypatch):
    """Tasks of workers are done here: to start processes takes longer."""

    def submit(self, function, *args):
        done = Future()
        try:
            done.set_result(function(*args))
        except Exception as error:
            done.set_exception(error)
        return done

    def follow(self, function, *args, take):
        return self.submit(function, take, *args)

    monkeypatch.setattr(Workers, "submit", submit)
    monkeypatch.setattr(Workers, "follow", follow)


def refuse_broken(folder):
    """Nothing, unless the derived files below a folder break rules."""
    start = perf_counter()
    broken = broken_below(folder) if (derived := derived_in(folder)) else []
    COUNTS["checked"] += len(derived)
    COUNTS["seconds"] += perf_counter() - start
    assert not broken, "derived files break rules:\n" + "\n".join(broken)


def broken_below(folder):
    """What the derived files below a folder break, a line each; to have no source is to break one.

    A source lies in the same folder, among the samples, or where several tests find it. Of these
    last, and of files that mean harm, only those are read that have the name of a derived one.
    """
    names = {path.name for path in derived_in(folder)}
    near = files(folder) if folder not in SHARED else ()
    shared = [path for place in SHARED for path in files(place) if path.name in names]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, about odd values
        found = report(folder, Sources([*near, *shared, *files(SAMPLES)]))
    return [
        f"{path.relative_to(folder)}: {rule}: {what}"
        for path, broken in found.items()
        for rule, what in ([("source", "is nowhere")] if broken is None else broken)
    ]


def pytest_sessionfinish(session):
    """One of several processes tells what it has counted."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["derived"] = dict(COUNTS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """And the one that hands out the tests counts all together."""
    COUNTS.update(getattr(node, "workeroutput", {}).get("derived", {}))


def pytest_terminal_summary(terminalreporter):
    if COUNTS["checked"]:
        tables = "" if available() else "; highdicom is not installed: not against the standard"
        terminalreporter.write_line(
            f"{COUNTS['checked']} derived DICOM files held against the rules in "
            f"{COUNTS['seconds']:.0f} s{tables}"
        )
