"""A stack of slices on disk: stored values mapped into memory, real-world values as asked for."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclean.archive import formats
from medclean.archive.nifti import dcm2niix
from medclean.archive.nifti.header import read_header, sidecar
from medclean.archive.numbers import Encoding, Pixels, to_real
from medclean.archive.series import Group, Series
from medclean.errors import DataError
from medclean.volume import Image

APART = 0.02  # voxels by which two readers may differ about where a stack lies
CLOSE = 1e-5  # share of the largest value by which they may differ about a voxel
COMPARED = 3  # slices


@dataclass(frozen=True, eq=False)
class Stored:
    """A volume as a file has it.

    Attributes:
        values: ``(slices, rows, columns)``.
        slope: ``real = stored * slope + intercept``.
        intercept: In real-world units.
        affine: ``(4, 4)``, (slice, row, column, 1) to LPS in mm.
        by: Who converted it: ``"dcm2niix"`` or ``"medclean"``; ``"nifti"`` where nobody had to.
        why: Why it was not dcm2niix, where it should have been.
        stated: The sidecar that dcm2niix wrote.
    """

    values: NDArray[Any]
    slope: float
    intercept: float
    affine: NDArray[np.float64]
    by: str
    why: str = ""
    stated: dict[str, Any] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows and columns."""
        slices, rows, columns = self.values.shape
        return slices, rows, columns

    def slab(self, start: int, stop: int) -> Image:
        """Real-world values of slices from one place up to another."""
        part = np.array(self.values[start:stop])
        kind = np.iinfo(part.dtype) if part.dtype.kind in "iu" else np.finfo(np.float32)
        many = len(part)
        low, high = int(kind.min), int(kind.max)
        encoding = Encoding((self.slope,) * many, (self.intercept,) * many, low, high)
        return to_real(part, encoding)


def by_dcm2niix(
    root: Path, series: Series, group: Group, folder: Path, *, seconds: float
) -> Stored:
    """One stack of a DICOM series, converted by dcm2niix and held against what our reader gives.

    Args:
        root: What its paths are relative to.
        series: As a scan found it.
        group: The stack.
        folder: An empty one, for what comes in between.
        seconds: Time limit.

    Raises:
        Refused: It refuses the files, or makes another volume of them than our own reader.
        DataError: A file cannot be read.
        MissingError: The program is not there.
    """
    places = dict.fromkeys(frame.instance for frame in group.frames)
    paths = [root / series.instances[place].path for place in places]
    vendor_units = any(series.instances[place].vendor_units for place in places)
    display = series.modality == "MR" and not vendor_units
    path = dcm2niix.convert(paths, folder, display=display, seconds=seconds)
    stored = _mapped(path)
    slices, rows, columns = len(group.frames), *group.shape
    if stored.shape != (slices, rows, columns):
        raise dcm2niix.Refused(
            f"dcm2niix made {stored.shape} of {(slices, rows, columns)} slices, rows and columns"
        )
    flips = _flips(np.array(group.affine), stored.affine, stored.shape)
    for place in sorted({0, slices // 2, slices - 1})[:COMPARED]:
        other = slices - 1 - place if flips[0] else place
        image = stored.slab(other, other + 1)[0]
        image = image[:: -1 if flips[1] else 1, :: -1 if flips[2] else 1]
        own = _frame(root, series, group, place)
        if np.abs(image - own).max() > CLOSE * max(float(np.abs(own).max()), 1.0):
            raise dcm2niix.Refused("dcm2niix gives other values than our own reader")
    return stored


def by_own_reader(root: Path, series: Series, group: Group, folder: Path, why: str = "") -> Stored:
    """One stack of a series of any format, as our own reader sees it.

    Stored values are kept where all slices have one slope and intercept, else real-world values.

    Args:
        root: What its paths are relative to.
        series: As a scan found it.
        group: The stack.
        folder: An empty one, for what comes in between.
        why: Why it is this reader and not dcm2niix.

    Raises:
        DataError: A file cannot be read.
    """
    by = "nifti" if series.format == "nifti" else "medclean"
    affine = np.array(group.affine)
    files = (folder / "stored.npy", folder / "real.npy")
    found = _stored(root, series, group, files[0])
    if found is None:
        return Stored(_real(root, series, group, files[1]), 1.0, 0.0, affine, by, why)
    return Stored(*found, affine, by, why)


def _stored(
    root: Path, series: Series, group: Group, path: Path
) -> tuple[NDArray[Any], float, float] | None:
    """Stored values, slope and intercept; None where slices do not have these in common."""
    whole: NDArray[Any] | None = None
    scale = (1.0, 0.0)
    for pixels, frames in _files(root, series, group):
        encoding, dtype = pixels.encoding, pixels.stored.dtype
        scales = {(encoding.slope[number], encoding.intercept[number]) for _, number in frames}
        if whole is None:
            whole, scale = _new(path, dtype, group), next(iter(scales))
        if scales != {scale} or dtype != whole.dtype or encoding.table is not None:
            return None
        for place, number in frames:
            whole[place] = pixels.stored[number]
    return None if whole is None else (whole, *scale)


def _real(root: Path, series: Series, group: Group, path: Path) -> Image:
    whole: Image = _new(path, np.dtype(np.float32), group)
    for pixels, frames in _files(root, series, group):
        for place, number in frames:
            whole[place] = pixels.real[number]
    return whole


def _files(
    root: Path, series: Series, group: Group
) -> Iterator[tuple[Pixels, list[tuple[int, int]]]]:
    """Each file of a stack once, with the places of its frames and their numbers in it."""
    places: dict[int, list[tuple[int, int]]] = {}
    for place, frame in enumerate(group.frames):
        places.setdefault(frame.instance, []).append((place, frame.number))
    for instance, frames in places.items():
        yield formats.read(root, series, instance), frames


def _new(path: Path, dtype: "np.dtype[Any]", group: Group) -> NDArray[Any]:
    return np.lib.format.open_memmap(path, "w+", dtype, (len(group.frames), *group.shape))


def _frame(root: Path, series: Series, group: Group, place: int) -> Image:
    frame = group.frames[place]
    real: Image = formats.read(root, series, frame.instance).frame(frame.number).real[0]
    return real


def _mapped(path: Path) -> Stored:
    """What dcm2niix wrote, in the place where it lies; its sidecars are not always JSON."""
    header = read_header(path)
    shape = (header.images, header.rows, header.columns)
    values = np.memmap(path, header.dtype, "r", header.offset, shape)
    stated: dict[str, Any] = {}
    with suppress(DataError):
        stated = sidecar(path)
    affine = np.array(header.affine)
    return Stored(values, header.slope, header.intercept, affine, "dcm2niix", stated=stated)


def _flips(
    own: NDArray[np.float64], other: NDArray[np.float64], shape: Sequence[int]
) -> tuple[bool, bool, bool]:
    """Along which axes the other stack counts backwards.

    Raises:
        Refused: It does not lie where our own does.
    """
    change = np.linalg.inv(own) @ other  # indices of the other to ours
    for flips in product((False, True), (False, True), (False, True)):
        wanted = np.diag([-1.0 if flip else 1.0 for flip in flips] + [1.0])
        wanted[:3, 3] = [side - 1 if flip else 0 for flip, side in zip(flips, shape, strict=True)]
        ends = np.array([*np.ndindex(2, 2, 2)]) * (np.array(shape) - 1)
        points = np.c_[ends, np.ones(8)].T
        if shape[0] == 1:  # the way to a next slice does not matter
            points[0] = 0
        if np.abs((change - wanted) @ points).max() <= APART:
            return flips
    raise dcm2niix.Refused("dcm2niix puts it in another place than our own reader")
