"""Which arrays of a tree hold what coils measured."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from medclean.archive.array.read import NoCoils, coils_of, mapped
from medclean.archive.selection import EVERYTHING, MODALITY, PATH, Selection
from medclean.archive.series import Frame, Group, Instance, LeftOut, Scan, Series, key_of
from medclean.errors import DataError
from medclean.volume import UNITS

ENDING = ".npy"
OF = "MR"  # what has coils


def takes(path: str) -> bool:
    """Whether ``scan`` can tell what a file is."""
    return path.lower().endswith(ENDING)


def scan(root: Path, paths: Iterable[str], *, selection: Selection = EVERYTHING) -> Scan:
    """Read the headers of arrays; each is a series of its own.

    Args:
        root: What the paths are relative to.
        paths: Of files that ``takes`` takes.
        selection: Which of them are asked for, by path and modality.
    """
    series: list[Series] = []
    left_out: list[LeftOut] = []
    for path in paths:
        try:
            if refusal := selection.refusal({PATH: (path,), MODALITY: (OF,)}):
                raise NoCoils(refusal)
            series.append(_series(root, path))
        except NoCoils as error:
            left_out.append(LeftOut(path, "skipped", str(error)))
        except DataError as error:
            left_out.append(LeftOut(path, "failed", str(error)))
    return Scan(tuple(series), tuple(left_out))


def _series(root: Path, path: str) -> Series:
    array = coils_of(mapped(root / path))
    slices, _, rows, columns = array.shape
    frames = tuple(Frame(0, number) for number in range(slices))
    affine = tuple(tuple(row) for row in np.eye(4).tolist())
    return Series(
        key=key_of(("array", path)),
        format="array",
        modality=OF,
        unit=UNITS[OF],
        instances=(Instance(path, slices, (root / path).stat().st_size),),
        groups=(Group(frames, (rows, columns), affine, (1.0, 1.0, 1.0)),),
    )
