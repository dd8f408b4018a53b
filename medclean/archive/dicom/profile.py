"""What becomes of each element when a data set is de-identified: PS3.15 Annex E, and stricter.

The Basic Profile's table is that of dicom-anonymizer. It says nothing of most elements that a
person can type into: of those, only what describes the technique is kept.
"""

from enum import Enum
from functools import cache
from importlib import import_module
from typing import NamedTuple

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag

from medclean.archive.dicom.elements import Elements, Span

_TABLE = "dicomanonymizer.dicom_anonymization_databases.dicomfields_2026c"
_TEXT = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
_BYTES = {"OB", "OD", "OF", "OL", "OV", "OW", "UN", ""}
_PATIENT = {  # retained for PET (E.3.7), as far as nobody can type into them: SUV needs them
    *("PatientAge", "PatientSex", "PatientSize", "PatientWeight", "PregnancyStatus"),
    *("PatientSexNeutered", "SmokingStatus"),
}
_BIRTH = {"PatientBirthDate", "PatientBirthTime"}  # no date or time of the examination (E.3.6)
KEPT_TEXT = {
    *("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "RescaleType"),
    *("ConvolutionKernel", "FilterType", "CollimatorGridName", "ImageFilter"),
    *("SequenceName", "PulseSequenceName", "ImagedNucleus", "PositionReferenceIndicator"),
    *("ReceiveCoilName", "ReceiveCoilManufacturerName", "MultiCoilElementName"),
    *("TransmitCoilName", "TransmitCoilManufacturerName", "CardiacFramingType"),
    *("Radiopharmaceutical", "ReconstructionMethod", "AttenuationCorrectionMethod"),
    *("ScatterCorrectionMethod", "StackID", "DimensionDescriptionLabel", "LUTLabel"),
}
_NEEDED_TEXT = {"LUTExplanation", "MetaboliteMapDescription"}  # where a sequence has them
NEEDED = {  # sequences that may be empty and not absent; others must have items
    *("AcquisitionContextSequence", "RadiopharmaceuticalInformationSequence"),
    *("PatientOrientationCodeSequence", "PatientGantryRelationshipCodeSequence"),
}
_KEPT_BYTES = {
    *("LUTData", "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData"),
    "BluePaletteColorLookupTableData",
}
_OF_CODES = {"CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning"}
_OF_SCHEMES = {"CodingSchemeName", "CodingSchemeResponsibleOrganization"}
_SCHEMES = {  # whose terms no hospital made up
    *("DCM", "SCT", "SRT", "SNM3", "99SDM", "LN", "UCUM", "NCIt", "UMLS", "FMA", "RADLEX", "MDC"),
    *("NEU", "UBERON", "ITIS_TSN", "PUBCHEM_CID", "RXNORM", "99MEDCLEAN"),
}
_DRAWN = (0x50, 0x60)  # high bytes of the groups of curves and overlays
PRIVATE = {  # of Table E.3.10-1 what scales values or tells images apart, by group and creator
    (0x0019, "SIEMENS MR HEADER"): {0x0C: "IS", 0x0E: "FD", 0x27: "FD"},
    (0x2001, "Philips Imaging DD 001"): {0x03: "FL"},
    (0x2005, "Philips MR Imaging DD 001"): {0x0D: "FL", 0x0E: "FL"},
    (0x7053, "Philips PET Private Group"): {0x00: "DS", 0x09: "DS"},
}


class Action(Enum):
    """What is done to an element."""

    KEEP = "its value stays, if it is one that its VR allows"
    REMOVE = "it goes"
    EMPTY = "its value goes"
    DUMMY = "its value is replaced"
    SHIFT = "its dates move"
    CLEAN = "its items are de-identified"


def action(
    source: Elements, tag: int, span: Span, *, classic: bool = True, patient: bool = False
) -> Action:
    """What is done to an element of a data set, or of an item of a sequence.

    Args:
        source: Where it stands.
        tag: Of it.
        span: Where it lies.
        classic: The object is a CT, MR or PET image of one frame, which must have less.
        patient: Retain what patients weigh and the like (E.3.7).
    """
    if tag >> 16 & 1:
        return _private(source, tag)
    vr, keyword = vr_of(tag, span), keyword_for_tag(tag)
    if not keyword or tag >> 16 < 0x0008 or tag >> 24 in _DRAWN or not tag & 0xFFFF:
        return Action.REMOVE
    if vr in ("DA", "DT", "TM") and keyword not in _BIRTH:
        return Action.KEEP if vr == "TM" else Action.SHIFT
    if keyword == "TimezoneOffsetFromUTC" or (patient and keyword in _PATIENT):
        return Action.KEEP
    named = _table().get(tag) if vr != "UI" else None
    if vr == "SQ":
        return _sequence(tag, span, named)
    if named:
        return named.classic if classic else named.other
    return _unnamed(source, vr, keyword)


def is_local(item: Elements) -> bool:
    """Whether an item of a sequence is a coded term that a hospital or a vendor made up."""
    coded = item.text("CodeValue") or item.text("CodeMeaning")
    return bool(coded) and item.text("CodingSchemeDesignator") not in _SCHEMES


def vr_of(tag: int, span: Span) -> str:
    """The VR of an element: as written, else the dictionary's; ``""`` where nobody knows."""
    if span.vr not in ("", "UN"):
        return span.vr
    known = dictionary_VR(tag) if dictionary_has_tag(tag) else ""
    return known[-2:] if " or " in known else known


def private_vr(source: Elements, tag: int) -> str:
    """The VR of a private element that is kept; ``""`` where it is not."""
    group, number = tag >> 16, tag & 0xFFFF
    return PRIVATE.get((group, source.text(group << 16 | number >> 8)), {}).get(number & 0xFF, "")


def _sequence(tag: int, span: Span, named: "Named | None") -> Action:
    """Sequences that the table does not name are looked into; of those it does, references are."""
    keyword = keyword_for_tag(tag)
    if dictionary_VR(tag) != "SQ" or span.vr == "UN" or keyword.startswith("IssuerOf"):
        return Action.REMOVE
    if named and named.classic is not Action.CLEAN:
        return Action.EMPTY if keyword in NEEDED else Action.REMOVE
    return Action.CLEAN


def _unnamed(source: Elements, vr: str, keyword: str) -> Action:
    """Of what the table does not name, numbers, terms and what tells techniques stay."""
    if keyword in _OF_CODES | _OF_SCHEMES:
        known = source.text("CodingSchemeDesignator") in _SCHEMES
        return Action.KEEP if known else Action.REMOVE
    if keyword in _NEEDED_TEXT:
        return Action.DUMMY
    kept = KEPT_TEXT if vr in _TEXT else _KEPT_BYTES
    return Action.REMOVE if vr in _TEXT | _BYTES and keyword not in kept else Action.KEEP


def _private(source: Elements, tag: int) -> Action:
    group, number = tag >> 16, tag & 0xFFFF
    if number > 0xFF:
        return Action.KEEP if private_vr(source, tag) else Action.REMOVE
    of_block = (t for t in source.spans if t >> 16 == group and t >> 8 & 0xFF == number)
    return Action.KEEP if any(private_vr(source, t) for t in of_block) else Action.REMOVE


class Named(NamedTuple):
    """What the table wants."""

    classic: Action  # of classic images, none of which must have any such element
    other: Action


@cache
def _table() -> dict[int, Named]:
    """The Basic Profile by tag. Of alternatives the first that the object's IOD allows is taken."""
    database = import_module(_TABLE)
    meant = {
        "D": Named(Action.DUMMY, Action.DUMMY),
        "Z": Named(Action.EMPTY, Action.EMPTY),
        "X": Named(Action.REMOVE, Action.REMOVE),
        "Z_D": Named(Action.EMPTY, Action.DUMMY),
        "X_Z": Named(Action.EMPTY, Action.EMPTY),
        "X_D": Named(Action.REMOVE, Action.DUMMY),
        "X_Z_D": Named(Action.REMOVE, Action.DUMMY),
        "X_Z_U_STAR": Named(Action.CLEAN, Action.CLEAN),
    }
    return {
        group << 16 | number: what
        for name, what in meant.items()
        for group, number in (tag for tag in getattr(database, f"{name}_TAGS") if len(tag) == 2)
    }
