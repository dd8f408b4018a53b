"""Where the output of a command lies: never over its input."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from medclean.errors import UsageError

RUN_FOLDER = "medclean-run"

_OF_SERIES = re.compile(r"(kspace|mask)-[\w-]+\.(npy|png)")  # which lie beside the record
_KNOWN_ENDING = re.compile(r"\.(dcm|nii|nii\.gz)$", re.IGNORECASE)


def default_out(study: Path, model: str, changed: Mapping[str, Any]) -> Path:
    """The sibling folder STUDY-NAME, plus six hex digits where a setting is not the default.

    Args:
        study: The only input.
        model: As typed: its name, with or without options, or the path of a checkpoint or run.
        changed: Result settings other than the default, options of the model too, fit for JSON.

    Raises:
        UsageError: The input is the root of the file system, which has no sibling.
    """
    whole = Path(os.path.abspath(study))  # "." has a name too; links are not followed
    if not whole.name:
        raise UsageError(f"{study} has no folder beside it; say with -o where to write")
    name = Path(os.path.abspath(model.partition(":")[0])).name.removesuffix(".safetensors")
    digits = f"-{digest(changed)[:6]}" if changed else ""
    return whole.with_name(f"{_KNOWN_ENDING.sub('', whole.name)}-{name}{digits}")


def refuse_overlap(out: Path, studies: Iterable[Path], root: Path | None = None) -> None:
    """Nothing, where an output could never meet its input.

    Args:
        out: Folder to write to; it need not exist.
        studies: Files and folders to read.
        root: What output paths are relative to, where that is none of them.

    Raises:
        UsageError: The output is an input or lies inside one, or an input lies inside the output.
    """
    if root and _same(out, root):
        raise UsageError(f"output {out} is where all inputs lie; give another -o")
    kinds = ((study, study.is_dir()) for study in studies)  # of files, one a folder is enough
    places = {(study if whole else study.parent, whole): study for study, whole in kinds}
    for study in places.values():
        source = study if study.is_dir() else study.parent
        if _same(out, source):
            raise UsageError(f"output {out} is where the input {study} lies; give another -o")
        if study.is_dir() and _inside(out, study):
            raise UsageError(f"output {out} lies inside the input {study}; give another -o")
        if study.is_dir() and _inside(study, out):
            raise UsageError(f"input {study} lies inside the output {out}; give another -o")


def refuse_repinned(out: Path, pinned: Mapping[str, Any], name: str, value: Any) -> None:
    """Nothing, if what was pinned in a folder is unknown or the same.

    Raises:
        UsageError: It was another value.
    """
    if name in pinned and pinned[name] != value:
        raise UsageError(
            f"{out} belongs to {name} {pinned[name]}, and now it is {value}; write elsewhere with "
            "-o, or redo it all with --overwrite"
        )


def relative(path: str) -> PurePosixPath:
    """A path that leads to some place inside the output, and not to what its run folder is for.

    Raises:
        UsageError: It is absolute, climbs, or is one of the record.
    """
    pure = PurePosixPath(path)
    inside = bool(pure.parts) and not pure.is_absolute() and ".." not in pure.parts
    if inside and pure.parts[0] == RUN_FOLDER:
        inside = len(pure.parts) == 2 and bool(_OF_SERIES.fullmatch(pure.name))
    if not inside:
        raise UsageError(f"{path!r} is no place for an output; expected a path below the output")
    return pure


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value, in hex digits."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _inside(path: Path, folder: Path) -> bool:
    return any(_same(above, folder) for above in path.resolve().parents)


def _same(one: Path, other: Path) -> bool:
    """Whether both name one place, by whatever links, mounts and spellings."""
    if one.resolve() == other.resolve():
        return True
    return one.exists() and other.exists() and os.path.samefile(one, other)
