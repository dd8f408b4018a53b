"""What a run needs to go on: one safetensors file a checkpoint, named by one small JSON file.

``state.json`` is replaced last and in one move, so that it always names a whole file: a run that is
killed at any moment goes on from its last checkpoint.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from medclean.errors import DataError, UsageError
from medclean.files import PART, cannot_write, make_folder, write_whole
from medclean.training import notes

SETTINGS = Path("state", "settings.json")  # of a run
KEEP = "start anew in another folder, with --init and this run's last.safetensors for its weights"


@dataclass(frozen=True)
class Progress:
    """Where a run stands, beside its tensors.

    Attributes:
        step: Steps done.
        scores: Mean PSNR of each validation so far, in dB.
        seen: The last step whose weights were validated and kept.
        first: Fidelity losses of the first row, by which a divergence is told.
    """

    step: int = 0
    scores: tuple[float, ...] = ()
    seen: int = 0
    first: Mapping[str, float] | None = None


def store(folder: Path, tensors: Mapping[str, Tensor], progress: Progress) -> None:
    """Make this the state to go on from; the one before stays until this one is whole.

    Raises:
        WriteError: The disk is full, or the folder must not be written.
    """
    name = f"step-{progress.step:08}.safetensors"
    alone = {k: v.clone(memory_format=torch.contiguous_format) for k, v in tensors.items()}
    write_whole(folder / name, save(alone))  # which takes no weight that goes by two names
    row = {"format": 1, "file": name, **asdict(progress)}
    notes.write(folder / "state.json", row)
    for old in folder.glob("step-*.safetensors"):
        if old.name != name:
            with suppress(FileNotFoundError):
                old.unlink()


def begun(run: Path) -> bool:
    """Whether there is a state to go on from."""
    return (run / "state" / "state.json").is_file()


def restore(folder: Path) -> tuple[dict[str, Tensor], Progress] | None:
    """The state to go on from, None where no checkpoint was reached.

    Raises:
        DataError: A file of the state is damaged or missing.
    """
    index = folder / "state.json"
    if not index.is_file():
        return None
    row = notes.read(index, dict, mend=KEEP)
    try:
        tensors = load_file(folder / row.pop("file"))
        del row["format"]
        return tensors, Progress(**row | {"scores": tuple(row["scores"])})
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise unfit(folder, error) from None


def unfit(folder: Path, error: Exception) -> DataError:
    """What to say of a state that cannot be read, or that is none of the run's model."""
    return DataError(f"the state in {folder} cannot be read ({type(error).__name__}); {KEEP}")


_OWN = "learner."  # of a stepper's state: what each process has for itself, such as an image pool


def by_rank(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """One state from those of all processes, which differ in what each has for itself."""
    joined = dict(states[0])
    for number, other in enumerate(states[1:], start=1):
        joined |= {f"rank{number}.{k}": v for k, v in other.items() if k.startswith(_OWN)}
    return joined


def of_rank(joined: Mapping[str, Tensor], rank: int) -> dict[str, Tensor]:
    """The state of one process; the first one's where there was none of that number."""
    common = {k: v for k, v in joined.items() if not k.startswith("rank")}
    prefix = f"rank{rank}."
    return common | {k.removeprefix(prefix): v for k, v in joined.items() if k.startswith(prefix)}


def settings(run: Path) -> dict[str, Any] | None:
    """What the run that lies in a folder was begun with, of what decides its result; or None.

    Raises:
        DataError: It is not as it was written.
    """
    path = run / SETTINGS
    return notes.read(path, dict, mend=KEEP) if path.is_file() else None


def claim(run: Path, asked: Mapping[str, Any], *, resume: bool) -> None:
    """Make a folder this run's own, or see that it is.

    Args:
        run: The run's folder; made if it is not there.
        asked: Settings that decide the result. They stay in ``state/settings.json``.
        resume: The user means the run that lies there, if one does.

    Raises:
        UsageError: It holds something else, or a run with other settings.
        WriteError: It cannot be made.
    """
    before = settings(run)
    if before is not None:
        if not resume:
            raise UsageError(
                f"{run} holds a training run; add --resume to go on, or choose another"
            )
        _same(before, json.loads(json.dumps(asked)), run)
        return
    if run.exists() and not run.is_dir():
        raise UsageError(f"{run} is a file; expected a folder to make")
    if run.exists() and {p.name for p in run.iterdir()} - {"state"}:
        raise UsageError(f"{run} is not empty and holds no training run; choose another folder")
    path = run / SETTINGS
    with cannot_write(path.parent):
        make_folder(path.parent)
    notes.write(path, dict(asked))


def tidy(run: Path) -> None:
    """Remove what a start that was killed had begun to write; the folder must be held."""
    with cannot_write(run):
        for part in [*run.glob(f".*{PART}"), *(run / "state").glob(f".*{PART}")]:
            part.unlink(missing_ok=True)


@contextmanager
def given_up(run: Path) -> Iterator[None]:
    """Give a folder back where the data turn out to be of no use."""
    try:
        yield
    except DataError:
        if not begun(run):
            release(run)
        raise


def release(run: Path) -> None:
    """Remove what ``claim`` made, and the folder with it if nothing else is in it."""
    shutil.rmtree(run / "state")
    (run / "job.toml").unlink(missing_ok=True)
    with suppress(OSError):
        run.rmdir()


def _same(before: Mapping[str, Any], now: Mapping[str, Any], run: Path) -> None:
    for key in before.keys() | now.keys():
        if before.get(key) != now.get(key):
            raise UsageError(
                f"{run} was begun with {key}={before.get(key)!r}, now it is {now.get(key)!r}; "
                "repeat the settings it was begun with, or choose another folder"
            )
