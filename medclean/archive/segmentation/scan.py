"""Which DICOM files of a tree are segmentations."""

from collections.abc import Iterable
from pathlib import Path

from pydicom.uid import UID, SegmentationStorage

from medclean.archive.dicom.parse import NotAnImage, one_reason, parse_header
from medclean.archive.segmentation.planes import planes_of
from medclean.archive.series import Instance, LeftOut, Scan, Series, key_of
from medclean.errors import DataError

LABEL_MAP = UID("1.2.840.10008.5.1.4.1.1.66.7")  # which pydicom 3.0 does not know by name
CLASSES = (SegmentationStorage, LABEL_MAP)


def scan(root: Path, paths: Iterable[str]) -> Scan:
    """Read the headers of files; each that is a segmentation is a series of its own.

    Args:
        root: What the paths are relative to.
        paths: Of any files: what is no segmentation is in neither part of what is found.
    """
    series: list[Series] = []
    left_out: list[LeftOut] = []
    for path in paths:
        try:
            found = _series(root, path)
        except NotAnImage:
            continue
        except DataError as error:
            left_out.append(LeftOut(path, "failed", str(error)))
            continue
        series += [found] if found else []
    return Scan(tuple(series), tuple(left_out))


def _series(root: Path, path: str) -> Series | None:
    data = parse_header(root / path).data
    with one_reason("cannot be parsed"):
        if data.get("SOPClassUID") not in CLASSES:
            return None
        planes = planes_of(data)
        uid = str(data.get("SOPInstanceUID", ""))
    size = (root / path).stat().st_size
    return Series(
        key=key_of(("segmentation", uid or path)),
        format="segmentation",
        modality="",
        unit="au",
        instances=(Instance(path, len(planes.heights), size, uid),),
        groups=(planes.group(),),
    )
