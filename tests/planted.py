"""Identifiers planted wherever a file can carry text, and the search for them."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from itertools import count
from pathlib import Path

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

import dicoms

LEAST = 4  # characters of an identifier that is searched for
_STEERING = {  # what decides whether and how a file is read stays what it is
    *("SpecificCharacterSet", "ImageType", "SOPClassUID", "Modality", "ComplexImageComponent"),
    *("RescaleType", "RescaleSlope", "RescaleIntercept", "NumberOfFrames", "Units", "SeriesType"),
    *("PhotometricInterpretation", "PixelSpacing", "ImagePositionPatient", "PixelAspectRatio"),
    *("ImageOrientationPatient", "TimezoneOffsetFromUTC", "LossyImageCompression"),
    *("LossyImageCompressionRatio", "LossyImageCompressionMethod", "SliceThickness"),
    *("SeriesNumber", "SpacingBetweenSlices", "NumberOfSlices", "Manufacturer"),
    "ModalityLUTType",
}
_TEXTS = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UN", "UR", "UT", "OB"}
_NUMBERED = {"AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"}


class Planting:
    """Makes identifiers, no two alike, and remembers each.

    Attributes:
        all: What was planted, as it could appear.
    """

    def __init__(self) -> None:
        self.all: set[str] = set()
        self._numbers = count(1)

    def value(self, vr: str) -> str | bytes:
        """A value that a person could be known by, as a VR wants it."""
        number = next(self._numbers)
        day = date(1900, 1, 1) + timedelta(number)
        made = {
            "AS": f"{number % 1000:03}Y",
            "CS": f"QZ{number:07}J",
            "DA": f"{day:%Y%m%d}",
            "DS": f"9071{number:07}.5",
            "DT": f"{day:%Y%m%d}112233.{number:06}",
            "IS": f"1{number:08}",
            "TM": f"112233.{number:06}",
            "UI": f"1.9.40404.{number:07}",
            "PN": f"Qz{number:07}^Jane",
            "UR": f"http://qz{number:07}.arkham",
        }.get(vr, f"Qz {number:07} Jane")
        self.all |= {made, *re.findall(r"Qz\d+", made)} | (
            {day.isoformat()} if vr == "DA" else set()
        )
        return made.encode() if vr in ("UN", "OB") else made

    def tag(self) -> bytes:
        """Four characters where a tag should stand; read as one, it would be hexadecimal."""
        word = f"J{next(self._numbers) % 1000:03}"
        first, second = (int.from_bytes(word[at : at + 2].encode(), "little") for at in (0, 2))
        self.all |= {word, f"{first:04X},{second:04X}"}
        return word.encode()

    def everywhere(
        self,
        data: Dataset,
        every: int = 1,
        *,
        only: Callable[[str, str], bool] = lambda keyword, vr: True,
    ) -> Dataset:
        """Plant in every public element that can carry text, nested, private, and beside it.

        With ``every=8`` only in one public element of eight, others each time. ``only`` says by
        keyword and VR which public elements may be planted in at all.
        """
        kept = {element.tag for element in data if element.keyword in _STEERING}
        for tag, vr in list(_public())[next(self._numbers) % every :: every]:
            if tag not in kept and only(keyword_for_tag(tag), vr):
                data.add_new(tag, vr, self.value(vr))
        self._nested(data, depth=4)
        block = data.private_block(0x0029, str(self.value("LO")), create=True)
        for place, vr in enumerate(sorted(_TEXTS | _NUMBERED)):
            block.add_new(place, vr, self.value(vr))
        inner = Dataset()
        self._nested(inner, depth=3)
        block.add_new(0x50, "SQ", Sequence([inner]))
        for tag, vr in ((0x60000022, "LO"), (0x60001500, "LO"), (0x60004000, "LT")):
            data.add_new(tag, vr, self.value(vr))
        meta = data.file_meta
        meta.SourceApplicationEntityTitle = self.value("AE")
        meta.SendingApplicationEntityTitle = self.value("AE")
        meta.PrivateInformationCreatorUID = self.value("UI")
        meta.PrivateInformation = self.value("OB")
        meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.preamble = str(self.value("LO")).encode().ljust(128, b"\0")
        return data

    def series(self, folder: Path, slices: int = 2, every: int = 1, **how) -> list[Path]:
        """A series whose every file is planted; its images still belong together."""
        study, series, place = (str(self.value("UI")) for _ in range(3))
        syntax, paths = how.pop("syntax", ExplicitVRLittleEndian), []
        for number in range(1, slices + 1):
            data = self.everywhere(dicoms.image(number=number, private=True, **how), every)
            data.StudyInstanceUID, data.SeriesInstanceUID = study, series
            data.FrameOfReferenceUID = place
            paths.append(dicoms.save(data, folder / f"{number}.dcm", syntax))
        return paths

    def found_in(self, texts: Iterable[bytes | str]) -> list[str]:
        """The identifiers that stand in texts, in whatever letters."""
        whole = "\n".join(
            t if isinstance(t, str) else t.decode("latin-1") for t in texts
        ).casefold()
        there = set(_pieces(whole))  # by which most words are ruled out, as a page is long

        def stands(word: str) -> bool:
            return there.issuperset(_pieces(word)) and word in whole

        return sorted(w for w in self.all if len(w) >= LEAST and stands(w.casefold()))

    def _nested(self, data: Dataset, *, depth: int) -> None:
        """A sequence in a sequence in a sequence, with texts in each item."""
        item = Dataset()
        for keyword, vr in (("PatientName", "PN"), ("PatientID", "LO"), ("TextValue", "UT")):
            setattr(item, keyword, self.value(vr))
        item.PatientBirthDate, item.ReferencedSOPInstanceUID = self.value("DA"), self.value("UI")
        if depth > 1:
            self._nested(item, depth=depth - 1)
        data.ContentSequence = Sequence([item])


def _pieces(text: str) -> Iterator[str]:
    """All that stands in ``LEAST`` characters of a text."""
    return (text[at : at + LEAST] for at in range(len(text) - LEAST + 1))


def left_behind(*roots: Path) -> Iterator[bytes | str]:
    """Names of all files, and what is in those that are no images and no copies of notes."""
    for root in roots:
        for path in sorted(root.rglob("*")):
            yield str(path.relative_to(root))
            if path.is_file() and path.suffix not in (".dcm", ".gz", ".nii", ".txt"):
                yield path.read_bytes()


def _public() -> Iterator[tuple[int, str]]:
    """Elements of the dictionary that can carry text, but those that steer the reading."""
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        group, number = tag >> 16, tag & 0xFFFF
        data_set = 0x0008 <= group < 0x7FE0 and number and group not in (0xFFFE,)
        known = keyword and keyword not in _STEERING
        if data_set and known and vr in _TEXTS | _NUMBERED:
            yield tag, vr
