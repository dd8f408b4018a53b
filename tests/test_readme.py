"""What the README shows is what the program takes."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import dicoms
from little_dataset import write_image
from medclean import cli
from medclean.catalog import MASKS, MODELS, NOISES
from medclean.errors import Exit
from medclean.jobs.add_noise import AddNoiseJob
from medclean.jobs.denoise import DenoiseJob
from medclean.jobs.train import TrainJob
from medclean.jobs.undersample import UndersampleJob
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
        listed = ("safety", "rows", "left_out", "noise", "kspace", "matched", "says", "crossed")
        scored = ("scores", "comparisons", "gaps")
        told = dict.fromkeys((*listed, *scored), ())
        return SimpleNamespace(exit=Exit.DONE, line="", patients=0, **told)

    # What would do it.
    for name in ("denoise", "prepare", "train", "add_noise", "undersample", "evaluate", "report"):
        module = ModuleType(f"medclean.pipelines.{name}")
        setattr(module, name, run)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    if line.startswith("doctor"):
        pytest.skip("takes its time; the examples of its man page are parsed")
    assert cli.app(shlex.split(line), standalone_mode=False) == Exit.DONE
    for job in asked:
        match job:
            case AddNoiseJob():
                assert all(NOISES.make(spec) for spec in job.noise)
            case UndersampleJob():
                assert MASKS.make(job.mask)
            case DenoiseJob() | TrainJob():
                assert parse(job.model)[0] in MODELS or job.model.startswith("./")


@pytest.mark.slow
def test_the_commands_do_what_they_show(tmp_path: Path) -> None:
    """All of them, from top to bottom, in a folder that has what they name."""
    (tmp_path / "study" / "mr").mkdir(parents=True)
    (tmp_path / "clean" / "mr").mkdir(parents=True)
    for kind, folder in (("noisy", "study"), ("clean", "clean")):
        for path in sorted((ROOT / "sample_data" / "mr" / kind).iterdir())[:2]:
            shutil.copy(path, tmp_path / folder / "mr")
    dicoms.series(tmp_path / "study" / "ct", 2, series=2, spacing=(0.7, 0.7))
    t2 = {"SeriesDescription": "t2 tse"}
    for folder in ("archive", "archive/inbox", "archive/trial"):
        dicoms.series(tmp_path / folder, 2, series=len(folder), modality="MR", **t2)
    write_image(tmp_path / "brain.nii.gz")
    for folder, persons in (("images", 3), ("five", 5)):
        for person in range(persons):
            image = tmp_path / folder / f"sub-{person}" / "a.nii.gz"
            write_image(image, person, shape=(160, 160, 4))
    np.save(tmp_path / "coils.npy", np.ones((4, 32, 32), np.complex64))
    (tmp_path / "trial.key").write_bytes(os.urandom(32))
    (tmp_path / "new.txt").write_text("study/mr\nbrain.nii.gz\n")
    quick = {"MEDCLEAN_STEPS": "1", "MEDCLEAN_EVERY": "1", "MEDCLEAN_BATCH": "1"}
    for line in commands():
        words = shlex.split(re.sub(r"(?<= )(~/|/(?=archive|scratch))", f"{tmp_path}/", line))
        for asked in {"--steps", "--every"} & set(words):  # what a line states beats a variable
            words[words.index(asked) + 1] = "1"
        env = os.environ | (quick if words[0] == "train" else {})
        program = [sys.executable, "-m", "medclean", *words]
        done = subprocess.run(program, cwd=tmp_path, env=env, capture_output=True, check=False)
        assert done.returncode == Exit.DONE, f"{line}: {done.stderr.decode()}"
    made = [
        "study-dgan",
        "quiet",
        "both/residual",
        "sure",
        "t2",
        "all",
        "new",
        "noisy",
        "low",
        "worse",
        "sparse",
    ]
    for folder in (*made, "worse", "sparse"):
        assert any((tmp_path / folder).rglob("*.dcm")), folder


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
