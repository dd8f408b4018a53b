"""A data set without what identifies: PS3.15 Annex E, the Basic Profile and its options.

``cleaned`` is what an image is derived from, and ``sealed`` is the last step: it gives every UID
its pseudonym, those that were made here among them, and searches for what should be gone. In
between, objects refer to each other by the UIDs that they had.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydicom.datadict import keyword_for_tag
from pydicom.uid import (
    CTImageStorage,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
)

from medclean.archive.derivation import MAKER, Code
from medclean.archive.dicom.codes import code_item
from medclean.archive.dicom.elements import Changes, Elements, Item, Span
from medclean.archive.dicom.profile import NEEDED, Action, action, is_local, private_vr, vr_of
from medclean.archive.dicom.uids import uid_of
from medclean.archive.pseudonyms import Pseudonyms
from medclean.errors import DataError

_CLASSIC = (CTImageStorage, MRImageStorage, PositronEmissionTomographyImageStorage)
_OVERLAYS = 0x60  # high byte of their groups
PIXELS = 0x7FE00000  # the group that begins with them
_BASIC = Code("113100", "DCM", "Basic Application Confidentiality Profile")
_DATES_KEPT = Code("113106", "DCM", "Retain Longitudinal Temporal Information Full Dates Option")
_DATES_MOVED = Code(
    "113107", "DCM", "Retain Longitudinal Temporal Information Modified Dates Option"
)
_PATIENT_KEPT = Code("113108", "DCM", "Retain Patient Characteristics Option")
_PRIVATE_KEPT = Code("113111", "DCM", "Retain Safe Private Option")
CODES = (_BASIC, _DATES_MOVED, _DATES_KEPT, _PATIENT_KEPT, _PRIVATE_KEPT)
_EQUIPMENT = Code("109104", "DCM", "De-identifying Equipment")
_STANDARD = "1.2.840.10008."
_UID = re.compile(r"[\d.]{1,64}", re.ASCII)
_GRAMMAR = {  # what a value that is kept may look like; any other is no value but a text
    "AS": re.compile(rb"\d{3}[DWMY]"),
    "CS": re.compile(rb"[\w ./+-]{0,32}", re.ASCII),
    "DS": re.compile(rb"[-+\d.eE ]{0,32}"),
    "IS": re.compile(rb"[-+\d ]{0,16}"),
    "TM": re.compile(rb"[\d:. ]{0,16}"),
}
_OFFSET = re.compile(rb"[-+]\d{4}")
_DUMMIES = {"AS": "000Y", "PN": "Removed^Name", "UR": "http://removed.invalid"}
_DUMMY = "REMOVED"
_OLD = b"090Y"  # for all who are older: there are few
_LEAST = 6  # characters of an identifier that is searched for in all that is written
_IDENTIFYING = {  # beside all names of persons and all UIDs
    *("PatientID", "OtherPatientIDs", "AccessionNumber", "AdmissionID", "PatientAddress"),
    *("PatientTelephoneNumbers", "MedicalRecordLocator", "StudyID", "DeviceSerialNumber"),
    *("InstitutionAddress", "PerformedProcedureStepID", "ScheduledProcedureStepID"),
    "RequestedProcedureID",
    *("PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest"),
}


@dataclass(frozen=True)
class Deidentification:
    """How the images of one patient are de-identified.

    Attributes:
        pseudonyms: Makes what stands for names and UIDs.
        patient: Whom they show: what tells patients apart.
        version: Of the program.
        keep_dates: Dates stay (113106); else they move (113107).
        characteristics: What a patient weighs and the like stays (113108): SUV needs it.
    """

    pseudonyms: Pseudonyms
    patient: str
    version: str
    keep_dates: bool = False
    characteristics: bool = False

    def cleaned(self, source: Elements, sop_class: str) -> Elements:
        """A data set up to its pixels, with what identifies removed or replaced at every depth.

        UIDs are still the source's.

        Args:
            source: Little endian.
            sop_class: SOP Class UID.

        Raises:
            DataError: It cannot be taken apart, or bits of its pixels may be an overlay.
        """
        _refuse_overlays(source)
        name, header = self.pseudonyms.name("patient", self.patient), source.before(PIXELS)
        who: Changes = {"PatientName": f"Pseudonym^{name}", "PatientID": name}
        if source.text("StudyID"):  # a directory of a medium must have one
            who["StudyID"] = self.pseudonyms.name("study", source.text("StudyInstanceUID"))
        data = header.patched({**self._changes(header, sop_class in _CLASSIC), **who})
        return Elements(data, 0, len(data), source.explicit)

    def stated(self, source: Elements, derived: Changes) -> Changes:
        """What a de-identified data set says of that (PS3.15 E.2, PS3.3 C.7.1.1 and C.12.1).

        Args:
            source: As ``cleaned`` gave it.
            derived: What else changes in it.
        """
        codes = [_BASIC, _DATES_KEPT if self.keep_dates else _DATES_MOVED]
        codes += [_PATIENT_KEPT] * self.characteristics
        codes += [_PRIVATE_KEPT] * any(tag >> 16 & 1 for tag in source.spans)
        ours: Item = {
            "Manufacturer": f"{MAKER} deidentify",  # not MAKER alone: that processes pixels
            "ManufacturerModelName": "PS3.15 Annex E",
            "SoftwareVersions": self.version,
            "PurposeOfReferenceCodeSequence": [code_item(_EQUIPMENT)],
        }
        equipment = derived["ContributingEquipmentSequence"]
        return {
            "PatientIdentityRemoved": "YES",
            "DeidentificationMethod": f"{MAKER} {self.version}: DICOM PS3.15 Annex E",
            "DeidentificationMethodCodeSequence": [code_item(code) for code in codes],
            "LongitudinalTemporalInformationModified": (
                "UNMODIFIED" if self.keep_dates else "MODIFIED"
            ),
            "ContributingEquipmentSequence": [
                *(equipment if isinstance(equipment, list) else []),
                ours,
            ],
        }

    def uid(self, uid: str) -> str:
        """What stands for a UID."""
        return uid_of(self.pseudonyms.digest("uid", uid))

    def sealed(self, source: Elements, header: Elements) -> bytes:
        """The data set up to its pixels with pseudonyms for all UIDs, at every depth.

        Args:
            source: What it was made of, as it was.
            header: It.

        Raises:
            DataError: Something that identifies is left in it.
        """
        sealed = header.patched(self._sealing(header))
        _refuse_left(source.before(PIXELS), Elements(sealed, 0, len(sealed), header.explicit))
        return sealed

    def _changes(self, source: Elements, classic: bool) -> Changes:
        changes: Changes = {}
        patient = self.characteristics
        for tag, span in source.spans.items():
            value = source.data[span.value : span.stop]
            match action(source, tag, span, classic=classic, patient=patient):
                case Action.DUMMY:
                    changes[tag] = _as(span, _DUMMIES.get(vr_of(tag, span), _DUMMY))
                case Action.REMOVE:
                    changes[tag] = None
                case Action.EMPTY:
                    changes[tag] = _as(span, b"")
                case Action.SHIFT if (moved := self._moved(value)) != value:
                    changes[tag] = _as(span, moved)
                case Action.CLEAN:
                    changes[tag] = self._items(source, tag, span, classic)
                case Action.KEEP if (kept := _kept(source, tag, span, value)) != value:
                    changes[tag] = _as(span, kept)
        return changes

    def _items(self, source: Elements, tag: int, span: Span, classic: bool) -> list[Item] | None:
        """The items of a sequence that still say something; None where it would have to."""
        found = (item for item in source.items_of(span) if not is_local(item))
        items: list[Item] = [item.patched(self._changes(item, classic)) for item in found]
        needed = keyword_for_tag(tag) in NEEDED or span.value == span.stop
        return list(filter(None, items)) or ([] if needed else None)

    def _moved(self, value: bytes) -> bytes:
        """Dates, or dates with times, some days earlier; what is no date becomes nothing."""
        return b"\\".join(self._moved_one(one.strip(b" \0")) for one in value.split(b"\\"))

    def _moved_one(self, value: bytes) -> bytes:
        value = re.sub(rb"(\d{4})\.(\d\d)\.(\d\d)", rb"\1\2\3", value)  # of ACR-NEMA
        days = 0 if self.keep_dates else self.pseudonyms.days(self.patient)
        if re.fullmatch(rb"\d{8}(\d{0,6}(\.\d{1,6})?([-+]\d{4})?)?", value):
            with suppress(ValueError, OverflowError):
                day = datetime.strptime(value[:8].decode(), "%Y%m%d") + timedelta(days)
                return f"{day.year:04}{day:%m%d}".encode() + value[8:]
        return b""

    def _sealing(self, source: Elements) -> Changes:
        changes: Changes = {}
        for tag, span in source.spans.items():
            vr = vr_of(tag, span)
            if vr == "UI":
                uids = (uid.strip(" \0") for uid in source.text(tag).split("\\"))
                changes[tag] = "\\".join(
                    uid if _public(tag, uid) else self.uid(uid) for uid in uids
                )
            elif vr == "SQ":
                items = source.items_of(span)
                changes[tag] = [item.patched(self._sealing(item)) for item in items]
        return changes


def _kept(source: Elements, tag: int, span: Span, value: bytes) -> bytes:
    """A value that stays, or nothing where it is none that its VR allows."""
    keyword, vr = keyword_for_tag(tag), private_vr(source, tag) or vr_of(tag, span)
    grammar = _OFFSET if keyword == "TimezoneOffsetFromUTC" else _GRAMMAR.get(vr)
    if grammar and not all(grammar.fullmatch(one) for one in _values(value)):
        return b""
    if keyword == "BurnedInAnnotation" and value.strip() != b"YES":
        return b""  # nobody has looked
    if keyword == "PatientAge" and value.endswith(b"Y") and value > _OLD:
        return _OLD
    return value


def _values(value: bytes) -> list[bytes]:
    """Those of several that say something."""
    return [one for one in (part.strip(b" \0") for part in value.split(b"\\")) if one]


def _as(span: Span, value: str | bytes) -> tuple[str, str | bytes] | str | bytes:
    """A value with the VR that the element had, where it is written."""
    return (span.vr, value) if span.vr else value


def _public(tag: int, uid: str) -> bool:
    """Whether a UID is nobody's: one of the standard, or of a class of objects."""
    keyword = keyword_for_tag(tag)
    general = keyword.endswith("ClassUID") or keyword == "CodingSchemeUID"
    return not uid or (bool(_UID.fullmatch(uid)) and (general or uid.startswith(_STANDARD)))


def _refuse_overlays(source: Elements) -> None:
    """Nothing, unless there are overlays and bits of the pixels may be theirs, and stay."""
    overlaid = any(tag >> 24 == _OVERLAYS for tag in source.spans)
    if overlaid and source.number("HighBit") != source.number("BitsStored") - 1:
        raise DataError("cannot be de-identified: bits of its pixels may be an overlay of text")


def _refuse_left(source: Elements, sealed: Elements) -> None:
    """Nothing, where no identifier of a source is left in a data set (E.1.1).

    Long ones are searched for in all its bytes. Short ones would be found by chance: only the
    element that said them must not say them again.

    Raises:
        DataError: One is; the element is named, and no value.
    """
    for tag, word in dict.fromkeys(_identifiers(source)):
        if word not in sealed.data:
            continue
        if len(word) < _LEAST:
            places = [tag] if word in _values(sealed.value(tag)) else []
        else:
            exact = re.escape(word)
            if not word.strip(b"0123456789."):  # a part of a longer number is another number
                exact = rb"(?<![\d.])" + exact + rb"(?![\d.])"
            places = [t for t in sealed.spans if re.search(exact, sealed.value(t))]
        if places:
            name = keyword_for_tag(places[0]) or "a private element"
            raise DataError(
                f"cannot be de-identified: {name} would still say an identifier of the source; "
                "leave the series out with --exclude, or mend that element"
            )


def _identifiers(source: Elements) -> Iterator[tuple[int, bytes]]:
    """Names, numbers and UIDs that a person could be found by, at every depth."""
    for tag, span in source.spans.items():
        vr = "" if tag >> 16 & 1 else vr_of(tag, span)
        if vr == "SQ":
            with suppress(DataError):  # one that is removed need not be whole
                for item in source.items_of(span):
                    yield from _identifiers(item)
        elif vr == "UI":
            uids = _values(source.value(tag))
            yield from ((tag, uid) for uid in uids if not _public(tag, uid.decode("latin-1")))
        elif vr == "PN" or keyword_for_tag(tag) in _IDENTIFYING:
            for value in _values(source.value(tag)):
                parts = {part for part in re.split(rb"[\^=]", value) if len(part) >= _LEAST}
                yield from ((tag, word) for word in sorted({value} | parts))
