"""What a command was given to work on: where its paths begin, and what lies under them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from medclean.archive.array import scan as array
from medclean.archive.dicom.scan import scan as scan_dicom
from medclean.archive.nifti.names import takes
from medclean.archive.runs import RUN_FOLDER
from medclean.archive.selection import EVERYTHING, PATH, Selection
from medclean.archive.series import LeftOut, Scan
from medclean.archive.workers import Workers
from medclean.errors import NothingToDo, UsageError
from medclean.files import walk
from medclean.log import Log

OF_A_RUN = "the record of a medclean run"
STDIN = Path("-")


@dataclass(frozen=True)
class Inputs:
    """Files and folders, and the folder that output paths are relative to.

    Attributes:
        root: The only STUDY folder, the folder of the only file, or the deepest common one.
        starts: Where to walk, each in or under ``root``, and none inside another.
    """

    root: Path
    starts: tuple[Path, ...]

    @classmethod
    def of(cls, studies: Sequence[Path], from_file: Path | None = None) -> "Inputs":
        """What the STUDY arguments and a list of more mean.

        Args:
            studies: Files and folders.
            from_file: Names more of them, a path a line; ``-`` is standard input.

        Raises:
            UsageError: One of them is not there, or the list cannot be read.
            NothingToDo: None is named.
        """
        for study in studies:
            if not os.path.lexists(study):
                raise UsageError(f"{study} does not exist; expected a folder or a file")
        starts = _apart([*studies, *(_listed(from_file) if from_file else ())])
        if not starts:
            listing = "standard input" if from_file == STDIN else from_file
            raise NothingToDo(f"{listing} names no path; expected a folder or a file a line")
        if len(starts) == 1:
            (study,) = starts
            return cls(study if study.is_dir() else study.parent, (study,))
        return cls(Path(os.path.commonpath([_folder(start) for start in starts])), tuple(starts))

    def holds(self, path: str) -> bool:
        """Whether a file is in one of the studies, and not only found through a link in one."""
        real = Path(os.path.realpath(self.root / path))
        places = (Path(os.path.realpath(start)) for start in self.starts)
        return any(real == place or place in real.parents for place in places)


def find(
    inputs: Inputs,
    workers: Workers,
    log: Log,
    *,
    include: Sequence[str] = (),
    modality: str | None = None,
    selection: Selection = EVERYTHING,
    arrays: bool = False,
) -> Scan:
    """Scan all inputs: DICOM by its content, NIfTI and, where they are wanted, arrays by name."""
    paths: list[str] = []
    left_out: list[LeftOut] = []
    walked: set[tuple[int, int]] = set()
    for start in inputs.starts:
        above = os.path.relpath(start if start.is_dir() else start.parent, inputs.root)
        for entry in walk(start, walked):
            path = os.path.normpath(os.path.join(above, entry.path))
            if RUN_FOLDER in path.split("/"):
                left_out.append(LeftOut(path, "skipped", OF_A_RUN, stays=True))
            elif entry.why_not:
                status: Literal["skipped", "failed"] = "failed" if entry.failed else "skipped"
                left_out.append(LeftOut(path, status, entry.why_not, stays=True))
            else:
                paths.append(path)
    paths = sorted(set(paths))
    nifti = [path for path in paths if takes(inputs.root, path)]
    npy = [path for path in paths if arrays and array.takes(path)]
    others = sorted({*paths}.difference(nifti, npy))
    with log.bar("headers", len(paths), "file") as bar:
        said: Any = {"selection": selection, "progress": bar.advance}
        how = {"include": include} | said
        images = Scan((), ())
        if nifti:
            from medclean.archive.nifti.scan import scan  # takes longer to load than DICOM to scan

            images = scan(inputs.root, nifti, workers, modality=modality, of_complex=arrays, **how)
        dicom = scan_dicom(inputs.root, others, workers, **how)
        coils = array.scan(inputs.root, npy, workers, **said)
    found = (*dicom.series, *images.series, *coils.series)
    series = sorted(found, key=lambda s: s.instances[0].path)
    left_out += (*dicom.left_out, *images.left_out, *coils.left_out)
    return Scan(tuple(series), tuple(_judged(left_out, selection)), dicom.located)


def _judged(left_out: Sequence[LeftOut], selection: Selection) -> Iterator[LeftOut]:
    """What cannot be read is no failure where its path alone says that nobody asked for it."""
    by_path = selection.by_path()
    for left in left_out:
        refusal = by_path.refusal({PATH: (left.path,)}) if left.status == "failed" else ""
        yield replace(left, status="skipped", reason=refusal) if refusal else left


def _listed(source: Path) -> Iterator[Path]:
    """The paths in a list: one a line, or each ended by a zero byte as of ``find -print0``."""
    name = "standard input" if source == STDIN else str(source)
    try:
        with open(0 if source == STDIN else source, "rb", closefd=source != STDIN) as file:
            content = file.read()
    except OSError as error:
        raise UsageError(f"--from-file {name}: {error.strerror}; expected a list") from None
    zeros = b"\0" in content
    for number, line in enumerate(content.split(b"\0" if zeros else b"\n"), 1):
        text = os.fsdecode(line if zeros else line.removesuffix(b"\r"))
        if not text:
            continue
        if not os.path.lexists(text):
            where = f"{name}, {'entry' if zeros else 'line'} {number}"
            raise UsageError(f"{where}: {text} does not exist; expected a folder or a file")
        yield Path(text)


def _apart(starts: Sequence[Path]) -> list[Path]:
    """Each place once, and none that lies inside another, by whatever links it is spelt."""
    places: dict[Path, Path] = {}
    for start in starts:
        real = Path(os.path.realpath(start if start.is_dir() else start.parent))
        places.setdefault(real if start.is_dir() else real / start.name, start)
    folders = {place for place, start in places.items() if start.is_dir()}
    return [start for place, start in places.items() if folders.isdisjoint(place.parents)]


def _folder(study: Path) -> Path:
    whole = Path(os.path.abspath(study))
    return whole if whole.is_dir() else whole.parent
