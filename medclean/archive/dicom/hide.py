"""One DICOM file without what identifies, its pixels as they are."""

from pathlib import Path

from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
)

from medclean.archive.derivation import Made, Written
from medclean.archive.dicom.deidentify import PIXELS, Deidentification
from medclean.archive.dicom.derive import removed
from medclean.archive.dicom.elements import Buffer, Changes, Elements
from medclean.archive.dicom.overlays import buried
from medclean.archive.dicom.parse import one_reason
from medclean.archive.dicom.transcode import contents, deflated, opened
from medclean.archive.dicom.write import encoded_for, file_meta
from medclean.archive.series import Instance, Series
from medclean.errors import DataError
from medclean.files import write_parts


def hide(root: Path, series: Series, instance: int, how: Deidentification, to: Path) -> Written:
    """Write a file of a series de-identified, whole or not at all; can run in a worker.

    It stays what it is, in its transfer syntax (big endian becomes explicit little endian), and
    gets the UID by which de-identified derived objects refer to it.

    Args:
        root: What the paths of the series are relative to.
        series: The source, or one of it ``alone``.
        instance: Which of its files.
        how: As for derived objects.
        to: Path of the new file, in a folder that exists.

    Raises:
        DataError: It cannot be read, or not be de-identified.
        WriteError: Permission, full disk and the like.
    """
    file = series.instances[instance]
    with one_reason("cannot be taken apart"):
        found = opened((root / file.path).read_bytes())
        if buried(found.elements):
            raise DataError("cannot be de-identified: its pixels hold an overlay, perhaps of text")
        big = found.syntax == ExplicitVRBigEndian
        syntax = UID(ExplicitVRLittleEndian if big else found.syntax)
        whole = encoded_for(found, syntax)
        body: list[Buffer] = [_header(whole, series, file, how), *_pixels(whole)]
    if syntax == DeflatedExplicitVRLittleEndian:
        body = [deflated(b"".join(body))]
    uid = how.uid(file.uid)
    made = Made.of([file_meta(file.sop_class, uid, syntax, how.version), *body], uid=uid)
    write_parts(to, made.parts)
    return made.written


def _header(whole: Elements, series: Series, file: Instance, how: Deidentification) -> bytes:
    source = how.cleaned(whole, file.sop_class)
    own = {  # as far as it does not say so itself
        "SOPClassUID": file.sop_class,
        "SOPInstanceUID": file.uid,
        "StudyInstanceUID": series.study_uid,
        "SeriesInstanceUID": series.series_uid,
    }
    equipment: Changes = {
        "ContributingEquipmentSequence": [*contents(source, "ContributingEquipmentSequence")]
    }
    data = source.patched(
        {
            **removed(source),
            **{key: uid for key, uid in own.items() if not source.text(key)},
            **how.stated(source, equipment),
        }
    )
    return how.sealed(whole, Elements(data, 0, len(data), source.explicit))


def _pixels(whole: Elements) -> list[Buffer]:
    spans = sorted(whole.spans.items())
    data = memoryview(whole.data)
    return [data[s.start : s.end] for tag, s in spans if tag >> 16 == PIXELS >> 16]
