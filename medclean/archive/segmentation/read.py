"""Segments as one label map."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset

from medclean.archive.dicom.parse import one_reason, parse, parse_header
from medclean.archive.limits import limits
from medclean.archive.numbers import Encoding, Pixels
from medclean.archive.segmentation.planes import Planes, planes_of
from medclean.archive.series import Series, digest_of
from medclean.errors import DataError

_MOST = 0xFFFF  # segments


@lru_cache(maxsize=64)  # asked for again for each image that it may be of
def planes(path: Path) -> Planes:
    """Where the frames of a segmentation lie.

    Raises:
        DataError: It cannot be read, or they make no grid.
    """
    data = parse_header(path).data
    with one_reason("cannot be parsed"):
        return planes_of(data)


def read(root: Path, series: Series, instance: int) -> Pixels:
    """The label of each voxel: the number of its segment, 0 for none.

    Of fractional segments those voxels count that are inside by half or more. The last image is
    empty: it stands for all planes without a frame.

    Raises:
        DataError: It cannot be read, or a voxel is in two segments.
    """
    data = parse(root / series.instances[instance].path)
    with one_reason("its pixels cannot be decoded"):
        found = planes_of(data)
        labels = np.zeros((len(found.heights) + 1, *found.shape), np.uint16)
        if labels.nbytes > limits().pixels:
            raise DataError(f"holds {labels.nbytes >> 20} MiB: {limits().passed('pixels')}")
        stored = data.pixel_array.reshape(-1, *found.shape)
        for image, (plane, number) in zip(stored, found.frames, strict=True):
            _put(labels[plane], _labels(data, image, number))
    count = len(labels)
    encoding = Encoding((1.0,) * count, (0.0,) * count, 0, _MOST, (None,) * count)
    return Pixels(labels, np.zeros_like(labels, bool), encoding, digest_of(labels))


def _labels(data: FileDataset, image: NDArray[Any], number: int) -> NDArray[np.uint16]:
    kind = str(data.get("SegmentationType", "BINARY"))
    if kind == "LABELMAP":
        padding = data.get("PixelPaddingValue")
        return np.where(image == padding, 0, image).astype(np.uint16)
    if number < 1:
        raise DataError("a frame does not say which segment it is of")
    if kind == "FRACTIONAL":
        image = 2 * image.astype(np.uint32) >= int(data.MaximumFractionalValue)
    return np.where(image, number, 0).astype(np.uint16)


def _put(plane: NDArray[np.uint16], labels: NDArray[np.uint16]) -> None:
    inside = labels > 0
    if (plane[inside] > 0).any():
        raise DataError(
            "segments overlap, and a voxel can be in one region; store those that do in files of "
            "their own"
        )
    plane[inside] = labels[inside]
