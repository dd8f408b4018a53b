"""Which files of a tree hold complex numbers of coils, in arrays of NumPy and HDF5.

Complex NIfTI is found by ``nifti.scan``, which knows its header.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from medclean.archive.array import hdf5
from medclean.archive.array.coils import NoCoils
from medclean.archive.array.read import opened
from medclean.archive.looking import looked_at
from medclean.archive.selection import EVERYTHING, MODALITY, PATH, Selection
from medclean.archive.series import (
    Affine,
    Alias,
    Frame,
    Group,
    Instance,
    LeftOut,
    Scan,
    Series,
    key_of,
)
from medclean.archive.workers import Workers
from medclean.errors import DataError
from medclean.volume import UNITS

ENDING = ".npy"
OF = "MR"  # what has coils
NOWHERE: Affine = ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))  # in particular


def takes(path: str) -> bool:
    """Whether ``scan`` can tell what a file is."""
    return path.lower().endswith(ENDING) or hdf5.takes(path)


def scan(
    root: Path,
    paths: Iterable[str],
    workers: Workers,
    *,
    selection: Selection = EVERYTHING,
    progress: Callable[[int], object] = lambda files: None,
) -> Scan:
    """Read the headers of arrays; each is a series of its own.

    Args:
        root: What the paths are relative to.
        paths: Of files that ``takes`` takes.
        workers: Read the headers.
        selection: Which of them are asked for, by path and modality.
        progress: Called with the number of files that were looked at since.

    Raises:
        MissingError: The package that reads HDF5 is not installed.
    """
    found = list(looked_at(partial(look, root, selection=selection), paths, workers, progress))
    left_out = tuple(one for one in found if isinstance(one, LeftOut))
    return Scan(tuple(one for one in found if isinstance(one, Series)), left_out)


def look(
    root: Path, paths: Iterable[str], *, selection: Selection = EVERYTHING
) -> list[Series | LeftOut]:
    """The series in some files, or why there is none, as in ``scan``; can run in a worker."""
    found: list[Series | LeftOut] = []
    for path in paths:
        try:
            if refusal := selection.refusal({PATH: (path,), MODALITY: (OF,)}):
                raise NoCoils(refusal)
            found.append(_series(root, path))
        except NoCoils as error:
            found.append(LeftOut(path, "skipped", str(error)))
        except DataError as error:
            found.append(LeftOut(path, "failed", str(error)))
    return found


def _series(root: Path, path: str) -> Series:
    with opened(root / path) as coils:
        about = coils.outline
    frames = tuple(Frame(0, number) for number in range(about.volumes * about.slices))
    shape, size = (about.rows, about.columns), (root / path).stat().st_size
    alias = Alias(path, path + ENDING) if hdf5.takes(path) else None  # its images are an array
    return Series(
        key=key_of(("array", path)),
        format="array",
        modality=OF,
        unit=UNITS[OF],
        instances=(Instance(path, len(frames), size, alias=alias),),
        groups=tuple(
            Group(frames[first : first + about.slices], shape, NOWHERE, (1.0, 1.0, 1.0))
            for first in range(0, len(frames), about.slices)
        ),
    )
