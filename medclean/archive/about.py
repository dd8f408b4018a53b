"""Whose a series is, and how it was acquired: what preparation asks beside where its pixels lie."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from medclean.archive.acquisition import allowed, body_part, suffix_of
from medclean.archive.nifti.names import stem
from medclean.archive.selection import PATH, Expression
from medclean.archive.series import Series
from medclean.errors import DataError, UsageError

_BIDS = re.compile(r"(?:^|/)(sub-[A-Za-z0-9]+)")
_SESSION = re.compile(r"(?:^|/)(ses-[A-Za-z0-9]+)")


@dataclass(frozen=True)
class About:
    """Facts of a series; those that identify go no further than a keyed hash.

    Attributes:
        patient: A tag's value, or a part of a path; ``""`` where nothing says.
        study: Likewise.
        body_part: A term of DICOM, or ``""``.
        suffix: Of BIDS file names, as the source's own has it; ``""`` where it has none.
        acquisition: Facts of the allow-list.
        noisy: Whether it is the noisy one of a pair, as an expression says; None without one.
        unit: Of PET.
        factor: That brings PET to this unit.
        suv: SUV of 1 Bq/ml; None where it is not known.
        why_no_suv: Why not.
    """

    patient: str = ""
    study: str = ""
    body_part: str = ""
    suffix: str = ""
    acquisition: dict[str, Any] = field(default_factory=dict)
    noisy: bool | None = None
    unit: str = ""
    factor: float = 1.0
    suv: float | None = None
    why_no_suv: str = ""


def about(root: Path, patient: str | None, noisy: Expression | None, series: Series) -> About:
    """Read it from headers, paths and sidecars; can run in a worker.

    Args:
        root: What the series' paths are relative to.
        patient: Regular expression for the paths of NIfTI files, as for ``by_path``.
        noisy: Holds for the noisy one of two series of a study.
        series: As a scan found it.

    Raises:
        DataError: A header cannot be read; or the files are of several patients.
    """
    read = _of_nifti if series.format == "nifti" else _of_dicom
    return read(root, patient, noisy, series)


def by_path(expression: str | None) -> Callable[[str], str]:
    """What finds the patient in a relative path, ``""`` where there is none.

    Args:
        expression: Its first group is the patient; BIDS ``sub-*`` if not given.

    Raises:
        UsageError: It is no regular expression with a group.
    """
    try:
        pattern = _BIDS if expression is None else re.compile(expression)
        if not pattern.groups:
            raise re.error("it has no group")
    except re.error as error:
        raise UsageError(
            f"--patient {expression!r}: {error}; expected a regular expression with a group, "
            "such as '(pat[0-9]+)'"
        ) from None

    def patient(path: str) -> str:
        found = pattern.search(path)
        return (found[1] or "") if found else ""

    return patient


def _of_nifti(root: Path, patient: str | None, noisy: Expression | None, series: Series) -> About:
    from medclean.archive.nifti.header import sidecar  # a tree of DICOM files needs no nibabel

    path = series.instances[0].path
    stated = sidecar(root / path)
    session = _SESSION.search(path)
    # Without a session, what lies in one folder was taken together.
    return About(
        patient=by_path(patient)(path),
        study=session[1] if session else str(PurePosixPath(path).parent),
        body_part=body_part(str(stated.get("BodyPart", ""))),
        suffix=suffix_of(stem(Path(path))),
        acquisition=allowed(stated),
        noisy=noisy.holds({PATH: (path,)}) if noisy else None,
        unit="Bq/ml" if series.modality == "PT" else "",
        why_no_suv="a NIfTI file has neither weight nor dose",
    )


def _of_dicom(root: Path, patient: str | None, noisy: Expression | None, series: Series) -> About:
    # Imported here: a tree of NIfTI files needs no pydicom.
    from medclean.archive.dicom.acquisition import acquisition, element, headers, holds, patients_of
    from medclean.archive.dicom.pet import Quantity, quantity

    paths = [instance.path for instance in series.instances]
    data = headers(root, paths)
    named = patients_of(data)
    if len(named) > 1:
        raise DataError(
            f"its files name {len(named)} patients (0010,0020), and a series has one; part them "
            "into series of their own"
        )
    known = quantity(data) if series.modality == "PT" else Quantity("")
    return About(
        patient=named.pop(),
        study=series.study_uid,
        body_part=body_part(element(data[0], "BodyPartExamined")),
        acquisition=acquisition(data[0]),
        noisy=holds(noisy, data[0], paths[0]) if noisy else None,
        unit=known.unit,
        factor=known.factor,
        suv=known.suv,
        why_no_suv=known.why_not,
    )
