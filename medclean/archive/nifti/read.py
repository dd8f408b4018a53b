"""NIfTI in: stored values, what they stand for, and where they lie."""

from pathlib import Path

import numpy as np

from medclean.archive.nifti.header import (
    Header,
    read_header,
    sidecar,
    stored_values,
    unpacked_whole,
)
from medclean.archive.numbers import Encoding, Pixels
from medclean.archive.series import Series, digest_of
from medclean.errors import DataError
from medclean.volume import UNITS, Volume, scale_of

MODALITIES = {"MR": "MR", "CT": "CT", "PT": "PT", "PET": "PT"}  # as sidecars write them


def read_volume(path: Path, modality: str | None = None) -> Volume:
    """Read a file as one volume, the frames of a fourth axis one after the other.

    Args:
        path: ``.nii`` or ``.nii.gz``.
        modality: ``"MR"``, ``"CT"`` or ``"PT"``, where the sidecar does not state it; without
            either it is ``""``, with the unit ``au`` and the scale of MR.

    Raises:
        DataError: See ``read``; the message names the file.
    """
    try:
        header = read_header(path)
        known = modality_of(path, modality)
        real = _pixels(path, header).real
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
        DataError: See ``read_header``; or a value is not finite, or too large for float32.
    """
    path = root / series.instances[instance].path
    return _pixels(path, read_header(path))


def modality_of(path: Path, otherwise: str | None) -> str:
    """What the sidecar states, else what the caller knows, else ``""``."""
    stated = sidecar(path).get("Modality")
    return MODALITIES.get(str(stated), "") if stated else otherwise or ""


def storable(header: Header) -> tuple[int, int]:
    """Least and greatest value of the file's data type."""
    kind = header.dtype
    limits = np.iinfo(kind) if kind.kind in "iu" else np.finfo(kind)
    return int(limits.min), int(limits.max)


def _pixels(path: Path, header: Header) -> Pixels:
    stored = stored_values(unpacked_whole(path, header), header)
    low, high = storable(header)
    images = header.images
    encoding = Encoding((header.slope,) * images, (header.intercept,) * images, low, high)
    pixels = Pixels(stored, np.zeros(stored.shape, np.bool_), encoding, digest_of(stored))
    for number, real in enumerate(pixels.real):  # one at a time: a mask of all is large
        if not np.isfinite(real).all():
            raise DataError(
                f"slice {number} holds NaN, infinity or values beyond float32; expected finite "
                "numbers: replace them first"
            )
    return pixels
