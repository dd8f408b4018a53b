"""K-space in HDF5 files: raw data of ISMRMRD, and arrays as fastMRI has them.

ISMRMRD: Inati et al., Magnetic Resonance in Medicine 77 (2017). Cartesian readouts are put into
their places in the encoded matrix, averages averaged, what is oversampled along the readout taken
away; calibration, noise and navigator readouts are left out.

fastMRI: Zbontar et al., arXiv 1811.08839: ``kspace`` of ``(slices, coils, readout, phase)`` or
``(slices, readout, phase)``. The last two axes change places, so that a row is a readout, here as
in all masks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from medclean.archive.array.coils import Coils, Complex, NoCoils, Outline
from medclean.errors import DataError, MissingError

ENDINGS = (".h5", ".hdf5", ".mrd")
PLANE = (-2, -1)
VOLUME = (-4, -2, -1)

# Bits of an acquisition's flags, from 1 as ISMRMRD counts them: what is no part of the image
_REVERSE = 22
_OTHERS = (19, 20, 23, 24, 26, 27, 28, 29, 30, 31)
_REPEATS = ("contrast", "phase", "repetition", "set")  # counters that tell volumes apart
_XML = "{http://www.ismrm.org/ISMRMRD}"
_EXPECTED = "expected ISMRMRD raw data (dataset/data) or an array kspace as of fastMRI"


def takes(name: str) -> bool:
    """Whether a file's name says HDF5."""
    return name.lower().endswith(ENDINGS)


@contextmanager
def opened(path: Path) -> Iterator[Coils]:
    """The k-space of a file, open as long as the block lasts.

    Raises:
        DataError: It is damaged, or contradicts itself.
        NoCoils: It holds no k-space that is known here.
        MissingError: h5py is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise MissingError(
            f"{path.name} needs h5py: pip install 'medclean[hdf5]', or leave such files out with "
            "--exclude"
        ) from None
    try:
        with h5py.File(path, "r") as file:
            if "kspace" in file:
                yield _fastmri(_own(file, "kspace"))
            elif "dataset" in file and "data" in file["dataset"]:
                yield _ismrmrd(_own(file, "dataset", "data"), _own(file, "dataset", "xml"))
            else:
                raise NoCoils(f"an HDF5 file of something else; {_EXPECTED}")
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, ElementTree.ParseError):
        raise DataError(f"is no HDF5 file that can be read; {_EXPECTED}") from None


def _own(file: Any, *names: str) -> Any:
    """A dataset of the file itself: links and lists of other files could lead anywhere."""
    import h5py

    found = file
    for name in names:
        if not isinstance(found.get(name, getlink=True), h5py.HardLink):
            raise NoCoils("an HDF5 file that refers to others; expected all of it in one")
        found = found[name]
    if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
        raise NoCoils("an HDF5 file that refers to others; expected all of it in one")
    return found


def _fastmri(array: Any) -> Coils:
    if array.dtype.kind != "c" or array.ndim not in (3, 4):
        raise NoCoils(f"kspace {array.shape} of {array.dtype}; {_EXPECTED}")
    slices, *coils, columns, rows = map(int, array.shape)
    about = Outline(
        slices,
        coils[0] if coils else 1,
        rows,
        columns,
        shape=(slices, rows, columns),
        single=not coils,
        known=PLANE,
    ).check(array.dtype)

    def take(first: int, last: int) -> Complex:
        part = array[first:last].reshape(-1, about.coils, columns, rows)
        return np.ascontiguousarray(part.swapaxes(-2, -1))

    return Coils(about, take)


@dataclass(frozen=True)
class _Encoding:
    """What the header of ISMRMRD says of the matrix that readouts are put into.

    Attributes:
        matrix: Of columns, rows and depths that are encoded.
        centers: Counter of the zero frequency among rows, and among depths.
        columns: Of the image: without what is oversampled.
    """

    matrix: tuple[int, int, int]
    centers: tuple[int, int]
    columns: int

    @classmethod
    def of(cls, text: str | bytes) -> "_Encoding":
        found = ElementTree.fromstring(text).find(f"{_XML}encoding")
        if found is None:
            raise DataError("states no encoding; expected a header of ISMRMRD")
        path = found.findtext(f"{_XML}trajectory", "").strip()
        if path.lower() != "cartesian":
            raise NoCoils("ISMRMRD data of another trajectory; expected a Cartesian one")
        encoded, wanted = (_sides(found, space) for space in ("encodedSpace", "reconSpace"))
        matrix, view = encoded
        columns = round(matrix[0] * wanted[1] / view) if 0 < wanted[1] < view else matrix[0]
        limits = (f"kspace_encoding_step_{n}" for n in (1, 2))
        centers = tuple(
            int(
                found.findtext(f"{_XML}encodingLimits/{_XML}{name}/{_XML}center", "")
                or matrix[axis] // 2
            )
            for axis, name in enumerate(limits, 1)
        )
        return cls(matrix, (centers[0], centers[1]), columns)


def _sides(encoding: Any, space: str) -> tuple[tuple[int, int, int], float]:
    """Columns, rows and depths of a space, and its field of view along a readout in mm."""
    size, view = (f"{_XML}{space}/{_XML}{what}/{_XML}" for what in ("matrixSize", "fieldOfView_mm"))
    x, y, z = (int(encoding.findtext(f"{size}{axis}", "0")) for axis in "xyz")
    return (x, y, z), float(encoding.findtext(f"{view}x", "0"))


def _ismrmrd(data: Any, xml: Any) -> Coils:
    encoding = _Encoding.of(xml[0])
    heads = data.fields("head")[:]
    if (heads["flags"] & _bit(_REVERSE)).any():
        raise NoCoils("ISMRMRD data whose readouts run to and fro; expected all in one direction")
    others = np.bitwise_or.reduce([_bit(number) for number in _OTHERS])
    image = np.flatnonzero(((heads["flags"] & others) == 0) & (heads["encoding_space_ref"] == 0))
    heads = heads[image]
    columns, rows, depths = encoding.matrix
    if not len(heads) or min(encoding.matrix) < 1:
        raise DataError("holds no readout of an image")
    counters, deep = heads["idx"], depths > 1
    tells = [counters[name] for name in (*_REPEATS, *(["slice"] if deep else []))]
    _, volume = np.unique(np.stack(tells), axis=1, return_inverse=True)
    steps = [counters[f"kspace_encode_step_{n}"].astype(int) for n in (1, 2)]
    row = steps[0] - encoding.centers[0] + rows // 2
    depth = steps[1] - encoding.centers[1] + depths // 2 if deep else counters["slice"].astype(int)
    slices = depths if deep else int(depth.max()) + 1
    if row.min() < 0 or row.max() >= rows or depth.min() < 0 or depth.max() >= slices:
        raise DataError("has a readout outside of the matrix that its header states")
    coils = {int(number) for number in heads["active_channels"]}
    if len(coils) != 1:
        raise DataError("has readouts of different numbers of coils")
    volumes = int(volume.max()) + 1
    about = Outline(
        slices,
        coils.pop(),
        rows,
        encoding.columns,
        volumes=volumes,
        shape=(volumes * slices, rows, encoding.columns),
        known=VOLUME if deep else PLANE,
        apart=not deep,
    ).check(np.dtype(np.complex64))
    replace(about, columns=columns).check(np.dtype(np.complex64))  # what is oversampled, too
    lines = _Lines(data, image, heads, volume.ravel() * slices + depth, row, columns)
    return Coils(about, partial(lines.take, about))


@dataclass(frozen=True, eq=False)
class _Lines:
    """Readouts on their way into k-space.

    Attributes:
        data: All acquisitions of the file.
        numbers: Those of the image among them.
        heads: Theirs.
        places: The slice that each is of, counted through all volumes.
        rows: The row that each is.
        columns: That are encoded.
    """

    data: Any
    numbers: NDArray[np.intp]
    heads: NDArray[Any]
    places: NDArray[Any]
    rows: NDArray[Any]
    columns: int

    def take(self, about: Outline, first: int, last: int) -> Complex:
        """As of ``Coils``.

        Raises:
            DataError: A readout is not as long as its head says, or lies outside the matrix.
        """
        whole = np.zeros((last - first, about.coils, about.rows, self.columns), np.complex64)
        times = np.zeros((last - first, about.rows), int)
        for which in np.flatnonzero((self.places >= first) & (self.places < last)):
            head, at = self.heads[which], (self.places[which] - first, self.rows[which])
            values = self.data[int(self.numbers[which])]["data"].view(np.complex64)
            line = values.reshape(about.coils, int(head["number_of_samples"]))
            before, behind = int(head["discard_pre"]), int(head["discard_post"])
            line = line[:, before : line.shape[1] - behind]
            start = self.columns // 2 - int(head["center_sample"]) + before
            if start < 0 or start + line.shape[1] > self.columns:
                raise DataError("has a readout that is longer than the matrix is wide")
            whole[at[0], :, at[1], start : start + line.shape[1]] += line
            times[at] += 1
        whole /= np.maximum(times, 1)[:, None, :, None]
        return _narrowed(whole, about.columns)


def _narrowed(kspace: Complex, columns: int) -> Complex:
    """The k-space of the middle of an image: what is oversampled along the readout is cut off."""
    from medclean.physics.signal.fourier import to_image, to_kspace

    wide = kspace.shape[-1]
    if columns == wide:
        return kspace
    start = wide // 2 - columns // 2
    middle: Complex = to_kspace(to_image(kspace, (-1,))[..., start : start + columns], (-1,))
    return middle


def _bit(number: int) -> np.uint64:
    return np.uint64(1 << (number - 1))
