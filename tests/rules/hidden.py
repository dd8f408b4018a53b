"""What a de-identified file must be, whatever it was made from (PS3.15 Annex E)."""

from collections.abc import Iterator

from pydicom.dataset import FileDataset

from rules.pair import Broken, sequence, text_of

_OPTIONS = {"113106", "113107", "113108", "113111"}  # that may be stated
_EMPTIED = ("PatientBirthDate", "AccessionNumber", "ReferringPhysicianName")
_GONE = (
    *(
        "InstitutionName",
        "PatientAddress",
        "OtherPatientIDs",
        "StudyDescription",
        "PatientComments",
    ),
    *("RequestAttributesSequence", "OriginalAttributesSequence"),
)


def is_hidden(data: FileDataset) -> bool:
    """Whether a file says that we de-identified it."""
    return text_of(data, "DeidentificationMethod").startswith("medclean ")


def hidden(data: FileDataset) -> Iterator[Broken]:
    """All rules that a de-identified file breaks."""
    stated = [text_of(c, "CodeValue") for c in sequence(data, "DeidentificationMethodCodeSequence")]
    if text_of(data, "PatientIdentityRemoved") != "YES" or stated[:1] != ["113100"]:
        yield Broken("de-identified", "it does not say so")
    if not _OPTIONS.issuperset(stated[1:]) or len({"113106", "113107"} & {*stated}) != 1:
        yield Broken("de-identified", "its options are not those that there are")
    moved = "MODIFIED" if "113107" in stated else "UNMODIFIED"
    if text_of(data, "LongitudinalTemporalInformationModified") != moved:
        yield Broken("de-identified", "it does not say what became of its dates")
    if (text_of(data, "Modality") == "PT") != ("113108" in stated):
        yield Broken("de-identified", "what is retained of the patient is not as of its modality")
    if text_of(data, "BurnedInAnnotation") == "NO":
        yield Broken("de-identified", "it says that no text is in its pixels, and nobody looked")
    for keyword in _EMPTIED:
        if text_of(data, keyword):
            yield Broken("de-identified", f"{keyword} has a value")
    for keyword in _GONE:
        if text_of(data, keyword) not in ("", "REMOVED"):
            yield Broken("de-identified", f"{keyword} has a value")
    if text_of(data, "PatientID") not in text_of(data, "PatientName"):
        yield Broken("de-identified", "Patient Name is not the pseudonym that Patient ID is")
    yield from _elements(data, private="113111" in stated)


def _elements(data: FileDataset, *, private: bool) -> Iterator[Broken]:
    """What no element of it may be, at any depth."""
    for element in data.iterall():
        group = element.tag.group
        if group % 2 and not private:
            yield Broken("de-identified", "a private element is kept, and it does not say so")
        if group >> 8 in (0x50, 0x60):
            yield Broken("de-identified", "a curve or an overlay is kept")
        uids = str(element.value).split("\\") if element.VR == "UI" and element.VM == 1 else []
        if not element.keyword.endswith("ClassUID") and any(
            uid and not uid.startswith(("1.2.840.10008.", "2.25.")) for uid in uids
        ):
            yield Broken("de-identified", f"{element.keyword} is no pseudonym")
    if data.file_meta.MediaStorageSOPInstanceUID != data.SOPInstanceUID:
        yield Broken("de-identified", "file meta and data set name two instances")
