"""NIfTI in: stored values, what they stand for, and where they lie."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medclean.archive.nifti.header import (
    Header,
    read_header,
    sidecar,
    stored_values,
    unpacked_whole,
)
from medclean.archive.series import Encoding, Pixels, Series, digest_of
from medclean.errors import DataError
from medclean.volume import UNITS, Image, Volume, scale_of

MODALITIES = {"MR": "MR", "CT": "CT", "PT": "PT", "PET": "PT"}  # as sidecars write them


def read_volume(path: Path, modality: str | None = None) -> Volume:
    """Read a file as one volume, the frames of a fourth axis one after the other.

    Args:
        path: ``.nii`` or ``.nii.gz``.
        modality: ``"MR"``, ``"CT"`` or ``"PT"``, where the sidecar does not state it; without
            either it is ``""``, with the unit ``au`` and the scale of MR.

    Raises:
        DataError: See ``read_header`` and ``real_values``; the message names the file.
    """
    try:
        header = read_header(path)
        known = modality_of(path, modality)
        real = real_values(stored_values(unpacked_whole(path, header), header), header)
    except DataError as error:
        raise DataError(f"{path.name}: {error}") from None
    unit = UNITS.get(known, "au")
    return Volume(real, np.array(header.affine), unit, known, scale_of(real, known))


def read(root: Path, series: Series, instance: int) -> Pixels:
    """Read one file of a series.

    Args:
        root: What the instance's path is relative to.
        series: As ``scan`` found it.
        instance: Index in ``series.instances``.

    Raises:
        DataError: See ``read_header`` and ``real_values``.
    """
    path = root / series.instances[instance].path
    header = read_header(path)
    stored = stored_values(unpacked_whole(path, header), header)
    low, high = storable(header)
    images = header.images
    encoding = Encoding((header.slope,) * images, (header.intercept,) * images, low, high)
    padding = np.zeros(stored.shape, np.bool_)
    return Pixels(stored, real_values(stored, header), padding, encoding, digest_of(stored))


def modality_of(path: Path, otherwise: str | None) -> str:
    """What the sidecar states, else what the caller knows, else ``""``."""
    stated = sidecar(path).get("Modality")
    return MODALITIES.get(str(stated), "") if stated else otherwise or ""


def real_values(stored: NDArray[np.number], header: Header) -> Image:
    """Stored values ``(images, rows, columns)`` in real-world units.

    Raises:
        DataError: A value is not finite, or too large for float32.
    """
    real = np.empty(stored.shape, np.float32)
    for number, image in enumerate(stored):  # one at a time: a float64 copy of all is large
        with np.errstate(over="ignore", invalid="ignore"):
            real[number] = real_value(image, header)
        if not np.isfinite(real[number]).all():
            raise DataError(
                f"slice {number} holds NaN, infinity or values beyond float32; expected finite "
                "numbers: replace them first"
            )
    return real


def real_value(stored: NDArray[np.number], header: Header) -> Image:
    """What stored values stand for, computed in float64 and then rounded; any shape."""
    return (stored.astype(np.float64) * header.slope + header.intercept).astype(np.float32)


def storable(header: Header) -> tuple[int, int]:
    """Least and greatest value of the file's data type."""
    kind = header.dtype
    limits = np.iinfo(kind) if kind.kind in "iu" else np.finfo(kind)
    return int(limits.min), int(limits.max)
