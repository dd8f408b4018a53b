"""What a command was given to work on: where its paths begin, and what lies under them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medclean.archive.dicom.scan import scan as scan_dicom
from medclean.archive.nifti.header import ENDINGS, SIDECARS
from medclean.archive.nifti.scan import scan as scan_nifti
from medclean.archive.runs import RUN_FOLDER
from medclean.archive.series import LeftOut, Scan
from medclean.archive.workers import Workers
from medclean.errors import UsageError
from medclean.files import walk
from medclean.log import Log

_NIFTI = (*ENDINGS, *SIDECARS)


@dataclass(frozen=True)
class Inputs:
    """Files and folders, and the folder that output paths are relative to.

    Attributes:
        root: The only STUDY folder, the folder of the only file, or the deepest common one.
        starts: Where to walk, each in or under ``root``.
    """

    root: Path
    starts: tuple[Path, ...]

    @classmethod
    def of(cls, studies: Sequence[Path]) -> "Inputs":
        """What the STUDY arguments mean.

        Raises:
            UsageError: One of them is not there.
        """
        for study in studies:
            if not os.path.lexists(study):
                raise UsageError(f"{study} does not exist; expected a folder or a file")
        if len(studies) == 1:
            (study,) = studies
            return cls(study if study.is_dir() else study.parent, (study,))
        return cls(Path(os.path.commonpath([_folder(study) for study in studies])), tuple(studies))


def find(
    inputs: Inputs,
    workers: Workers,
    log: Log,
    *,
    include: Sequence[str] = (),
    modality: str | None = None,
) -> Scan:
    """Scan all inputs: DICOM by its content, NIfTI by its name."""
    paths: list[str] = []
    left_out: list[LeftOut] = []
    for start in inputs.starts:
        above = os.path.relpath(start if start.is_dir() else start.parent, inputs.root)
        for entry in walk(start):
            path = os.path.normpath(os.path.join(above, entry.path))
            if RUN_FOLDER in path.split("/"):
                left_out.append(LeftOut(path, "skipped", "the record of a medclean run"))
            elif entry.why_not:
                status: Literal["skipped", "failed"] = "failed" if entry.failed else "skipped"
                left_out.append(LeftOut(path, status, entry.why_not))
            else:
                paths.append(path)
    paths = sorted(set(paths))
    nifti = [path for path in paths if path.endswith(_NIFTI)]
    others = [path for path in paths if not path.endswith(_NIFTI)]
    with log.bar("headers", len(others), "file") as bar:
        dicom = scan_dicom(inputs.root, others, workers, include=include, progress=bar.advance)
    images = scan_nifti(inputs.root, nifti, modality=modality, include=include)
    series = sorted((*dicom.series, *images.series), key=lambda s: s.instances[0].path)
    return Scan(tuple(series), (*left_out, *dicom.left_out, *images.left_out), dicom.located)


def _folder(study: Path) -> Path:
    whole = Path(os.path.abspath(study))
    return whole if whole.is_dir() else whole.parent
