"""Siemens MOSAIC: one file that shows the slices of a volume as tiles, row by row."""

from contextlib import suppress
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclean.archive.dicom.elements import Elements
from medclean.archive.dicom.frames import Image
from medclean.archive.dicom.parse import one_reason
from medclean.errors import DataError

_MOST = 4096  # tiles; a number above is damage
Array = NDArray[np.integer]


def tiles_of(data: Elements, rows: int, columns: int) -> int:
    """How many tiles of a mosaic show a slice; those behind them are empty.

    Args:
        data: The data set, whose Image Type says that it is a mosaic.
        rows: Of the whole image.
        columns: Likewise.

    Returns:
        0 where the file does not say, or says what does not fit its pixels.
    """
    stated = data.private(0x0019, "SIEMENS MR HEADER", 0x0A)
    raw = data.value(stated) if stated else b""
    if len(raw) == 2:  # US, also where it is written as UN
        tiles = int.from_bytes(raw, "big" if data.order == ">" else "little")
    else:
        tiles = _of_csa_header(data)
    if not 0 < tiles <= _MOST or rows % side(tiles) or columns % side(tiles):
        return 0
    return tiles


def side(tiles: int) -> int:
    """Tiles in a row, and in a column: a mosaic is as square as it can be."""
    return ceil(sqrt(tiles))


def cut(stored: Array, tiles: int) -> Array:
    """A mosaic ``(1, rows, columns)`` as ``(side * side, rows / side, columns / side)``."""
    count = side(tiles)
    _, rows, columns = stored.shape
    parts = stored.reshape(count, rows // count, count, columns // count)
    return np.ascontiguousarray(parts.swapaxes(1, 2)).reshape(
        count * count, rows // count, columns // count
    )


def joined(parts: Array) -> Array:
    """The counterpart of ``cut``."""
    count = side(len(parts))
    _, rows, columns = parts.shape
    whole = parts.reshape(count, count, rows, columns).swapaxes(1, 2)
    return np.ascontiguousarray(whole).reshape(1, count * rows, count * columns)


def images_of(mosaic: Image, tiles: int, shape: tuple[int, int]) -> tuple[Image, ...]:
    """The place of each tile that shows a slice.

    The position that a mosaic states is that of its corner, if its middle lay where that of each
    slice lies. Slices follow along the normal, or against it: the order is that of the tiles.

    Args:
        mosaic: What is known of the whole.
        tiles: That show a slice.
        shape: Rows and columns of the whole.
    """
    if mosaic.position is None or mosaic.orientation is None or mosaic.spacing is None:
        return (mosaic,) * tiles
    along_row, along_column = np.array(mosaic.orientation[:3]), np.array(mosaic.orientation[3:])
    normal = np.cross(along_row, along_column)
    margin = [(1 - 1 / side(tiles)) * length / 2 for length in shape]
    first = (
        np.array(mosaic.position)
        + along_column * margin[0] * mosaic.spacing[0]
        + along_row * margin[1] * mosaic.spacing[1]
    )
    places: list[Any] = [first + normal * mosaic.gap * number for number in range(tiles)]
    return tuple(mosaic._replace(position=tuple(map(float, place))) for place in places)


def _of_csa_header(data: Elements) -> int:
    """Number Of Images In Mosaic in Siemens' CSA image header (0029,xx10), else 0."""
    stated = data.private(0x0029, "SIEMENS CSA HEADER", 0x10)
    if not stated or not data.value(stated):
        return 0
    from nibabel.nicom import csareader

    with suppress(DataError), one_reason("its CSA header cannot be read"):
        tags = csareader.read(data.value(stated))["tags"]
        return int(tags["NumberOfImagesInMosaic"]["items"][0])
    return 0
