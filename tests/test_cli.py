"""The command line: what reaches a job, what an error looks like, where output goes."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer

from medclean import cli, jobs
from medclean.catalog import MODELS
from medclean.cli import NOTICE, _config
from medclean.cli._boundary import explain
from medclean.cli._command import Command, command
from medclean.errors import Exit, MissingError, Stopped, UsageError
from medclean.jobs._setting import Setting

ROOT = Path(cli.__file__).parents[2]
SECRET = "DOE^JANE"


@dataclass(frozen=True)
class Job:
    """Do something."""

    sources: Annotated[tuple[Path, ...], Setting("From.", argument=True, metavar="SOURCE...")]
    model: Annotated[str, Setting("Which.", "result")]
    out: Annotated[Path | None, Setting("To.", flags=("--out", "-o"))] = None
    level: Annotated[float, Setting("How much.")] = 0.5
    count: Annotated[int | None, Setting("How many.", instead=("share",))] = None
    share: Annotated[float | None, Setting("Of all.", instead=("count",))] = None
    kind: Annotated[Literal["keep", "explicit"], Setting("Which kind.")] = "keep"
    include: Annotated[tuple[Literal["phase", "map"], ...], Setting("What else.")] = ()
    fail_fast: Annotated[bool, Setting("At once.")] = False

    def __post_init__(self) -> None:
        if not 0 <= self.level <= 1:
            raise ValueError(f"level is {self.level:g}, expected 0 to 1")
        if self.count is not None and self.share is not None:
            raise ValueError("expected count or share")


@pytest.fixture
def ask(monkeypatch, tmp_path):
    """Give words to a command made from ``Job``, and get the job that it makes."""
    (tmp_path / "presets").mkdir()
    monkeypatch.setattr(_config, "_PRESETS", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "presets" / "small.toml").write_text("level = 0.1\ncount = 3\n")
    made = []

    def denoise(job: Job, *, loud: bool = False) -> Exit:
        made.append(job)
        return Exit.DONE

    app = typer.Typer(rich_markup_mode=None)
    app.command(cls=Command)(command(denoise, presets=True))

    def run(*words: str) -> Job:
        assert app([*words, "a b,c", "--model", "nlm"], standalone_mode=False) == Exit.DONE
        return made[-1]

    return run


@pytest.fixture
def medclean(monkeypatch, capsys):
    """Run the program in this process; gives its status and what it printed."""
    monkeypatch.setenv("PYTHONWARNINGS", "default")
    monkeypatch.setattr(cli, "heed_signals", lambda: None)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["medclean", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return left.value.code, *capsys.readouterr()

    return run


def test_a_job_has_its_defaults(ask):
    assert ask() == Job((Path("a b,c"),), "nlm")


def test_values_have_the_types_of_the_fields(ask):
    job = ask("-o", "x y", "--count", "4", "--kind", "explicit", "--fail-fast", "second")
    assert (job.out, job.count, job.kind, job.fail_fast) == (Path("x y"), 4, "explicit", True)
    assert job.sources == (Path("second"), Path("a b,c"))


@pytest.mark.parametrize(
    "words", [("--include", "phase,map"), ("--include", "phase", "--include", "map")]
)
def test_lists_are_repeated_or_have_commas(ask, words):
    assert ask(*words).include == ("phase", "map")


def test_flags_beat_the_environment_that_the_file_that_a_preset(ask, monkeypatch, tmp_path):
    assert ask("--preset", "small").level == 0.1
    (tmp_path / "run.toml").write_text('level = 0.2\ninclude = ["map"]\nfail_fast = true\n')
    job = ask("--config", "run.toml", "--preset", "small")
    assert (job.level, job.count, job.include, job.fail_fast) == (0.2, 3, ("map",), True)
    monkeypatch.setenv("MEDCLEAN_CONFIG", "run.toml")
    monkeypatch.setenv("MEDCLEAN_LEVEL", "0.3")
    monkeypatch.setenv("MEDCLEAN_INCLUDE", "phase,map")
    job = ask()
    assert (job.level, job.include, job.fail_fast) == (0.3, ("phase", "map"), True)
    job = ask("--level", "0.4", "--no-fail-fast", "--include", "phase")
    assert (job.level, job.include, job.fail_fast) == (0.4, ("phase",), False)


@pytest.mark.parametrize("first", [("--config", "run.toml"), ("--preset", "small")])
def test_the_stronger_of_two_settings_that_cannot_be_together_counts(
    ask, monkeypatch, tmp_path, first
):
    (tmp_path / "run.toml").write_text("share = 0.2\n")
    job = ask(*first, "--config", "run.toml", "--preset", "small")  # which says count
    assert (job.count, job.share, job.level) == (None, 0.2, 0.1)
    monkeypatch.setenv("MEDCLEAN_COUNT", "5")
    job = ask(*first, "--config", "run.toml")
    assert (job.count, job.share) == (5, None)
    job = ask("--share", "0.3", *first)
    assert (job.count, job.share) == (None, 0.3)
    with pytest.raises(UsageError, match="count or share"):
        ask("--share", "0.3", "--count", "3")


def test_a_variable_that_sets_nothing_is_told(ask, monkeypatch, capsys):
    monkeypatch.setenv("MEDCLEAN_LEVL", "0.3")
    monkeypatch.setenv("MEDCLEAN_ZZZZZZZZZ", SECRET)
    monkeypatch.setenv("MEDCLEAN_DEBUG", "1")
    assert ask().level == 0.5
    near, far = capsys.readouterr().err.splitlines()
    assert near == "warning: MEDCLEAN_LEVL sets nothing; did you mean MEDCLEAN_LEVEL?"
    assert far == "warning: MEDCLEAN_ZZZZZZZZZ sets nothing; no command has such a setting"


def test_a_variable_that_sets_nothing_is_told_before_what_is_missing(medclean, monkeypatch):
    monkeypatch.setenv("MEDCLEAN_MODLE", "dgan")
    status, _, err = medclean("denoise", "x")
    warned, failed = err.splitlines()
    assert status == Exit.USAGE
    assert warned == "warning: MEDCLEAN_MODLE sets nothing; did you mean MEDCLEAN_MODEL?"
    assert "Missing option '--model'" in failed


def test_a_variable_holds_a_value_a_line(medclean, monkeypatch):
    monkeypatch.setenv("MEDCLEAN_SELECT", "SeriesDescription~a b\nModalty=MR")
    status, _, err = medclean("denoise", "x", "--model", "nlm")
    assert (status, "'Modalty'; did you mean 'Modality'" in err) == (Exit.USAGE, True)


def test_the_help_names_values_and_no_types(medclean):
    for words in (["denoise"], ["models"], ["train"]):
        out = medclean(*words, "--help")[1]
        assert "list[" not in out
        assert "<str" not in out


def test_a_bare_model_keeps_the_options_of_a_preset(ask, tmp_path):
    for name, model in (("soft", "nlm:strength=0.4"), ("wide", "dgan:width=64")):
        (tmp_path / "presets" / f"{name}.toml").write_text(f'model = "{model}"\n')
    assert ask("--preset", "soft").model == "nlm:strength=0.4"
    assert ask("--preset", "wide").model == "nlm"


def test_the_model_tells_which_preset_is_meant(ask, monkeypatch, tmp_path):
    for count, name in enumerate(("dgan-tiny", "nlm-tiny")):
        (tmp_path / "presets" / f"{name}.toml").write_text(f"count = {count}\n")
    assert ask("--preset", "tiny").count == 1  # --model stands behind it
    assert ask("--model", "median", "--preset", "dgan-tiny").count == 0
    monkeypatch.setenv("MEDCLEAN_MODEL", "dgan")
    assert ask("--preset", "tiny").count == 1
    with pytest.raises(UsageError, match="dgan-tiny or nlm-tiny; say which, or the model"):
        _config.preset("tiny", "median")


def test_a_table_goes_before_the_top_level(ask, tmp_path):
    text = "level = 0.2\ncount = 1\n[denoise]\nlevel = 0.7\n[train]\nsteps = 5\n"
    (tmp_path / "run.toml").write_text(text)
    job = ask("--config", "run.toml")
    assert (job.level, job.count) == (0.7, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("levle = 1", "denoise in run.toml has no setting 'levle'; did you mean 'level'?"),
        ("[denoize]\nlevel = 1", "no command in run.toml 'denoize'; did you mean 'denoise'?"),
        ("level = ", "run.toml is no TOML"),
        ("level = 'much'", "level is 'much', expected a number"),
        (None, "run.toml: No such file"),
    ],
)
def test_a_file_that_makes_no_sense(ask, tmp_path, text, said):
    if text is not None:
        (tmp_path / "run.toml").write_text(text)
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        ask("--config", "run.toml")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--level", "2"), "level is 2, expected 0 to 1"),
        (("--level", ""), "--level is empty; expected a value"),
        (("--level", "nan"), "level is 'nan', expected a number"),
        (("--count", "2.5"), "count is '2.5', expected a whole number"),
        (("--kind", "explizit"), "no kind 'explizit'; did you mean 'explicit'"),
        (("--include", "phase,mop"), "no include 'mop'; did you mean 'map'"),
        (("--preset", "smal"), "no preset 'smal'; did you mean 'small'"),
    ],
)
def test_a_value_that_makes_no_sense(ask, words, said):
    with pytest.raises(UsageError, match=said):
        ask(*words)


def test_the_shell_completes_names_and_choices():
    asked = {"_MEDCLEAN_COMPLETE": "complete_bash", "COMP_CWORD": "3"}
    for words, known in (("--model nl", "nlm"), ("--syntax jpegl", "jpegls")):
        env = {**os.environ, **asked, "COMP_WORDS": f"medclean denoise {words}"}
        program = [sys.executable, "-m", "medclean"]
        done = subprocess.run(program, cwd=ROOT, env=env, capture_output=True, check=False)
        assert done.stdout.decode().split() == [known]


def test_every_command_carries_the_notice(medclean):
    for file in Path(jobs.__file__).parent.glob("[!_]*.py"):
        status, out, _ = medclean(file.stem.replace("_", "-"), "--help")
        assert (status, " ".join(NOTICE.split()) in " ".join(out.split())) == (0, True)


def test_without_words_there_is_help(medclean):
    status, out, err = medclean()
    assert (status, out) == (Exit.USAGE, "")
    assert "not a medical device" in " ".join(err.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["denoize"], "Did you mean 'denoise'"),
        (["denoise", "--modle", "nlm", "x"], "--model"),
        (["denoise", "x"], "Missing option '--model'. (see 'medclean denoise --help')"),
        (["models", "nml"], "no model 'nml'; did you mean 'nlm'?"),
    ],
)
def test_a_wrong_word_gives_one_line(medclean, words, said):
    status, out, err = medclean(*words)
    assert (status, out, err.count("\n")) == (Exit.USAGE, "", 1)
    assert err.startswith("medclean: error: ")
    assert said in err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("a\x1b[2J b"), Exit.USAGE),
        (MissingError("no codec"), Exit.MISSING),
        (Stopped("stopped by SIGTERM", Exit.STOPPED), Exit.STOPPED),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (OSError(28, "No space left on device", "x.dcm"), Exit.CANNOT_WRITE),
        (PermissionError(13, "Permission denied"), Exit.CANNOT_WRITE),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), Exit.MISSING),
        (MemoryError(), Exit.BUG),
    ],
)
def test_what_is_understood_gives_one_line(capsys, error, status):
    assert explain(error) == status
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err[:-1].isprintable()) == ("", 1, True)


def test_a_bug_shows_code_but_no_values(capsys):
    def broken(patient: str) -> None:
        try:
            raise KeyError(patient)
        except KeyError as error:
            raise ValueError(f"bad name {patient}") from error

    with pytest.raises(ValueError, match="bad name") as caught:
        broken(SECRET)
    assert explain(caught.value) == Exit.BUG
    err = capsys.readouterr().err
    assert SECRET not in err
    assert "KeyError" in err
    assert "raise KeyError(patient)" in err
    assert "ValueError" in err
    caught.value.add_note("in a worker:\n  File 'read.py', line 7")
    caught.value.add_note(f"of {SECRET}")
    explain(caught.value)
    err = capsys.readouterr().err
    assert "line 7" in err
    assert SECRET not in err
    explain(caught.value, debug=True)
    assert SECRET in capsys.readouterr().err


def test_a_model_of_another_licence_says_so(medclean, monkeypatch):
    monkeypatch.setattr(sys.modules["medclean.cli.models"], "find_spec", lambda package: None)
    (row,) = json.loads(medclean("models", "bm3d", "--json")[1])
    assert (row["package"]["name"], row["package"]["installed"]) == ("bm3d", False)
    assert "non-commercial" in row["package"]["licence"]
    shown = " ".join(medclean("models", "bm3d")[1].split())
    assert "not installed: package bm3d, non-commercial" in shown
    (free,) = json.loads(medclean("models", "tv", "--json")[1])
    assert free["package"] is None


def test_models_are_listed(medclean):
    status, out, _ = medclean("models", "--json")
    rows = json.loads(out)
    assert status == 0
    assert [row["name"] for row in rows] == list(MODELS)
    assert all({"summary", "kind", "weights", "options"} <= row.keys() for row in rows)
    assert medclean("models", "nlm")[1].count("sigma") >= 1


def test_a_reader_who_leaves_is_no_failure():
    script = f"set -o pipefail; {sys.executable} -m medclean models --json | true"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("words", [["--version"], ["models"], ["models", "--json"]], ids=str)
def test_a_result_that_cannot_be_printed_is_told(words):
    words = [sys.executable, "-m", "medclean", *words]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(words, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == Exit.CANNOT_WRITE
    assert done.stderr.count(b"\n") == 1
    assert b"cannot write the result to standard output: No space left" in done.stderr


def test_a_stop_while_modules_load_has_its_status(tmp_path):
    (tmp_path / "pydicom.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    words = ["denoise", "study", "--model", "nlm"]
    done = subprocess.run(
        [sys.executable, "-m", "medclean", *words], env=env, capture_output=True, check=False
    )
    assert done.returncode == Exit.STOPPED
    assert b"stopped by SIGTERM; run the same command again" in done.stderr
