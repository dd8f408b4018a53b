"""Modality LUT Sequence: a table that says what stored values stand for (PS3.3 C.11.1)."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from medclean.archive.dicom.values import values
from medclean.archive.tables import Table
from medclean.errors import DataError

_DESCRIPTOR, _DATA = 0x00283002, 0x00283006


def has_lut(data: Dataset) -> bool:
    """Whether a table is there; it may have been left in the file when its header was read."""
    sequence = data.get_item("ModalityLUTSequence", keep_deferred=True)
    return sequence is not None and (sequence.value is None or len(sequence.value) > 0)


def modality_lut(data: Dataset, storable: tuple[int, int]) -> Table | None:
    """The table of a data set, as far as pixels can use it; None where it has none.

    Args:
        data: With its Modality LUT Sequence.
        storable: The least and the greatest stored value; below zero, the table's are signed too.

    Raises:
        DataError: It is cut off, or does not say what it is.
    """
    if not has_lut(data):
        return None
    item = values(data["ModalityLUTSequence"][0])
    if _DESCRIPTOR not in item or _DATA not in item:
        raise DataError("its Modality LUT has no LUT Descriptor or no LUT Data")
    stated = item[_DESCRIPTOR]
    words = _integers(stated, 2)
    if len(words) < 3:
        raise DataError("the LUT Descriptor of its Modality LUT is cut off; expected 3 values")
    count, first = int(words[0]) or 1 << 16, int(words[1])
    if (storable[0] < 0 or stated.VR == "SS") and first >= 1 << 15:
        first -= 1 << 16
    content = item[_DATA]
    width = 1 if int(words[2]) <= 8 and len(content.value or b"") < 2 * count else 2
    entries = _integers(content, width)[:count]
    if len(entries) < count:
        raise DataError(f"its Modality LUT has {len(entries)} entries, expected {count}")
    low, high = (min(max(end - first, 0), count - 1) for end in storable)
    return Table(first + low, entries[low : high + 1])


def _integers(element: RawDataElement, width: int) -> NDArray[np.unsignedinteger]:
    """Unsigned integers of some bytes each; those of one byte stand in words, the lower first."""
    order = "<" if element.is_little_endian else ">"
    content = element.value or b""
    words = np.frombuffer(content[: len(content) & ~1], f"{order}u2").astype("<u2")
    return words if width == 2 else words.view(np.uint8)
