"""Reading and writing, whatever the format; light enough for worker processes to import."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from importlib import import_module
from pathlib import Path
from typing import Any

from medclean.archive import copying
from medclean.archive.derivation import Derivation, Made, Role, Written
from medclean.archive.nifti.names import is_nifti
from medclean.archive.numbers import Pixels, Stored
from medclean.archive.series import Series
from medclean.errors import DataError


def read(root: Path, series: Series, instance: int) -> Pixels:
    """Read one file of a series.

    Args:
        root: What its path is relative to.
        series: As a scan found it.
        instance: Index in ``series.instances``.

    Raises:
        DataError: It cannot be read; the message names its path, and quotes nothing from it.
    """
    try:
        pixels: Pixels = _part(series, "read").read(root, series, instance)
    except DataError as error:
        raise DataError(f"{series.instances[instance].name}: {error}") from None
    return pixels


def flaw(
    root: Path,
    series: Series,
    instance: int,
    *,
    changed: bool,
    decoded: bool = True,
    deidentification: Any = None,
) -> str | None:
    """Why a file of a series cannot be read, or no other be made of it; None where both can.

    Args:
        root: What its path is relative to.
        series: As a scan found it.
        instance: Index in ``series.instances``.
        changed: Whether the other's values are new ones, which need a place.
        decoded: Whether to read all of it; else only what shows before that, for the same reasons.
        deidentification: How the other is de-identified, as for ``plan``.
    """
    try:
        reading, encoding = _part(series, "read"), None
        if decoded:
            encoding = reading.read(root, series, instance).encoding
        elif series.format == "dicom":
            encoding = reading.encoding(root, series, instance)
        if changed and encoding and encoding.table:
            encoding.table.refuse_one_way()
        if series.format == "dicom":
            _part(series, "write").refuse_odd(root, series, instance, deidentification)
    except DataError as error:
        return str(error)
    return None


def told(task: "Future[str | None]") -> str | None:
    """What ``flaw`` says from a worker; else what became of that: a decoder can take it along."""
    try:
        return task.result()
    except DataError as error:
        return str(error)


def plan(series: Series, derivation: Derivation, **how: Any) -> Any:
    """What all files of a derived series share, whose role the derivation says."""
    return (
        _part(series, "plan").plan(series, derivation, **how) if series.format == "dicom" else None
    )


def no_residual(series: Series) -> str:
    """Why what was removed from a series cannot be written; ``""`` where it can."""
    return str(_part(series, "residual").refusal(series)) if series.format == "dicom" else ""


def write(
    root: Path, series: Series, instance: int, stored: Stored, plan: Any, to: Path
) -> Written:
    """Write one file of a series with other values.

    Args:
        root: What its path is relative to.
        series: As a scan found it.
        instance: Index in ``series.instances``.
        stored: Its new pixels, or what was removed from them.
        plan: As ``plan`` gave it for one or the other.
        to: In a folder that exists.

    Raises:
        DataError: The source cannot be read again, or not be written as asked.
        WriteError: The file cannot be written.
    """
    written: Written = _part(series, "write").write(root, series, instance, stored, plan, to)
    return written


def remade(
    root: Path,
    series: Series,
    instance: int,
    change: Callable[[Pixels], Stored],
    plans: Mapping[Role, Any],
) -> dict[Role, Made]:
    """Read one file of a series and make what is derived from it, in one go.

    Args:
        root: What its path is relative to.
        series: As a scan found it.
        instance: Index in ``series.instances``.
        change: Makes its new pixels.
        plans: As ``plan`` gave them, for each role.

    Raises:
        DataError: It cannot be read, or not be written as asked; the message names its path.
    """
    try:
        made: dict[Role, Made] = _part(series, "write").remade(
            root, series, instance, change, plans
        )
    except DataError as error:
        raise DataError(f"{series.instances[instance].name}: {error}") from None
    return made


def beside(root: Path, series: Series) -> tuple[str, ...]:
    """Files that belong to a series and are copied with it: the sidecars of NIfTI."""
    images = [file.path for file in series.instances if is_nifti(Path(file.path))]
    if series.format == "dicom" or not images:
        return ()
    from medclean.archive.nifti.write import sidecars

    return tuple(path for image in images for path in sidecars(root, image))


def copy(root: Path, series: Series, path: str, to: Path) -> Written:
    """Copy one of these."""
    return Written(*copying.copy(root, path, to))


def _part(series: Series, name: str) -> Any:
    return import_module(f"medclean.archive.{series.format}.{name}")
