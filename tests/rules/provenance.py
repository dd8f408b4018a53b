"""Where the new object comes from: type, steps, sources, equipment (DICOM.md 1.4, 1.7)."""

from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import (
    PositronEmissionTomographyImageStorage,
    VLWholeSlideMicroscopyImageStorage,
)

from rules.pair import SUBTRACTION, Broken, Pair, code_of, sequence, text_of

OWN_SCHEME = "99MEDCLEAN"
OWN_CODES = {
    "DLNR": "Noise reduction by neural network",
    "SIMNOISE": "Simulated noise added",
    "SIMKSPACE": "Simulated k-space undersampling",
    "IDENTITY": "Pixel values unchanged",
}
SOURCE_IMAGE = ("121322", "DCM", "Source image for image processing operation")
PRIMARY = (PositronEmissionTomographyImageStorage, VLWholeSlideMicroscopyImageStorage)
ACQUIRED, PROCESSED, DEIDENTIFIED = "109101", "109102", "109104"  # DCM, context group 7005


def image_type(pair: Pair) -> Iterator[Broken]:
    """DERIVED; then what the IOD and the source say; the rest in its place."""
    before, after = (text_of(d, "ImageType").split("\\") for d in (pair.source, pair.derived))
    before = [word.strip() for word in before]
    if pair.enhanced:
        if after[0] not in ("DERIVED", "MIXED") or after[1:2] != ["PRIMARY"]:
            yield Broken("image type", r"is not DERIVED\PRIMARY")
        if not 4 <= len(after) <= 5:
            yield Broken("image type", "has not four values")
        return
    secondary = pair.residual or pair.simulated
    second = (
        "PRIMARY"
        if pair.sop_class in PRIMARY
        else "SECONDARY"
        if secondary
        else (before[1:2] or [""])[0] or "PRIMARY"
    )
    if after[:2] != ["DERIVED", second]:
        yield Broken("image type", rf"is not DERIVED\{second}")
    if len(before) >= 2 and after[2:] != before[2:]:
        yield Broken("image type", "value 3 and later are not the source's")


def derivation_codes(pair: Pair) -> Iterator[Broken]:
    """The source's steps, then exactly one of ours; a residual is one step more (C.12.4)."""
    if not pair.steps:
        return
    expected = 2 if pair.residual else 1
    if len(pair.codes) != expected:
        yield Broken("derivation code", f"{len(pair.codes)} items of ours, expected {expected}")
    if pair.residual and pair.codes[-1][0] != SUBTRACTION:
        yield Broken("derivation code", "the last step of a residual is no subtraction")
    for code in pair.codes:
        if not is_known(code, 7203):
            yield Broken("derivation code", "is neither of context group 7203 nor of 99MEDCLEAN")
    if pair.simulated != any(value.startswith("SIM") for value, _, _ in pair.codes):
        yield Broken("derivation code", "does not fit the command that our equipment states")
    key = "DerivationCodeSequence"
    before, after = sequence(pair.source, key), sequence(pair.derived, key)
    if not pair.enhanced and after[: len(before)] != before:
        yield Broken("derivation code", "an earlier step is changed or gone")


def coding_scheme(pair: Pair) -> Iterator[Broken]:
    """Our scheme is described once where one of its codes stands (PS3.3 C.12.1)."""
    schemes = sequence(pair.derived, "CodingSchemeIdentificationSequence")
    ours = [item for item in schemes if text_of(item, "CodingSchemeDesignator") == OWN_SCHEME]
    if any(scheme == OWN_SCHEME for _, scheme, _ in pair.codes):
        if len(ours) != 1:
            yield Broken("coding scheme", f"{OWN_SCHEME} is described {len(ours)} times")
        for item in ours:
            for keyword in ("CodingSchemeName", "CodingSchemeResponsibleOrganization"):
                if not text_of(item, keyword):
                    yield Broken("coding scheme", f"{keyword} is not stated")


def is_known(code: tuple[str, str, str], group: int) -> bool:
    """Whether a term is one of a context group, or of our own scheme, with its meaning."""
    value, scheme, meaning = code
    if scheme == OWN_SCHEME:
        return OWN_CODES.get(value) == meaning
    terms = getattr(codes, f"cid{group}").concepts.values()
    return any((term.value, term.scheme_designator, term.meaning) == code for term in terms)


def source_images(pair: Pair) -> Iterator[Broken]:
    """The direct sources, all of them to be found by Common Instance Reference."""
    if pair.enhanced:  # stand in the functional groups there
        return
    items = sequence(pair.derived, "SourceImageSequence")
    named = [text_of(item, "ReferencedSOPInstanceUID") for item in items]
    if source_uid(pair.source) not in named:
        yield Broken("source image", "the source is not named")
    if len(set(named)) != len(named):
        yield Broken("source image", "one is named twice")
    if pair.residual and len(items) < 2:
        yield Broken("source image", "a residual names source and denoised image")
    for item in items:
        yield from source_item(item, text_of(pair.derived, "SOPInstanceUID"))
    if set(named) - located(pair.derived):
        yield Broken("common instance reference", "a source image is not located")
    if located(pair.source) - located(pair.derived):
        yield Broken("common instance reference", "what the source locates is lost")


def source_item(item: Dataset, own: str) -> Iterator[Broken]:
    """One source: class, instance, purpose, and that pixels lie where they lay."""
    for keyword in ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID"):
        if not text_of(item, keyword):
            yield Broken("source image", f"{keyword} is not stated")
    if text_of(item, "ReferencedSOPInstanceUID") == own:
        yield Broken("source image", "the object is its own source")
    if text_of(item, "SpatialLocationsPreserved") != "YES":
        yield Broken("source image", "SpatialLocationsPreserved is not YES")
    purposes = [code_of(code) for code in sequence(item, "PurposeOfReferenceCodeSequence")]
    if purposes != [SOURCE_IMAGE]:
        yield Broken("source image", "its purpose is not 121322 alone")


def source_uid(source: Dataset) -> str:
    """SOP Instance UID, from the file meta where the data set has none."""
    meta = getattr(source, "file_meta", Dataset())
    return text_of(source, "SOPInstanceUID") or text_of(meta, "MediaStorageSOPInstanceUID")


def located(data: Dataset) -> set[str]:
    """The instances whose series Common Instance Reference states (C.12.2)."""
    others = sequence(data, "StudiesContainingOtherReferencedInstancesSequence")
    return {
        text_of(item, "ReferencedSOPInstanceUID")
        for level in (data, *others)
        for series in sequence(level, "ReferencedSeriesSequence")
        if text_of(series, "SeriesInstanceUID")
        for item in sequence(series, "ReferencedInstanceSequence")
    }


def equipment(pair: Pair) -> Iterator[Broken]:
    """The source's items, its scanner where none names it, and ours last (C.12.1.1.5)."""
    key = "ContributingEquipmentSequence"
    before, after = sequence(pair.source, key), sequence(pair.derived, key)
    if after[: len(before)] != before:
        yield Broken("equipment", "an earlier item is changed or gone")
    new = after[len(before) :]
    purposes = [
        text_of(code, "CodeValue")
        for i in new
        for code in sequence(i, "PurposeOfReferenceCodeSequence")
    ]
    known = [
        text_of(code, "CodeValue")
        for i in before
        for code in sequence(i, "PurposeOfReferenceCodeSequence")
    ]
    scanner = [ACQUIRED] if text_of(pair.source, "Manufacturer") and ACQUIRED not in known else []
    if [purpose for purpose in purposes if purpose != DEIDENTIFIED] != [*scanner, PROCESSED]:
        yield Broken(
            "equipment", "the new items are not the scanner's, if it is not named, and ours"
        )
    for item in new:
        for code in sequence(item, "PurposeOfReferenceCodeSequence"):
            if not is_known(code_of(code), 7005):
                yield Broken("equipment", "a purpose is not of context group 7005")
        if text_of(item, "Manufacturer") != "medclean":
            continue
        if not text_of(item, "ManufacturerModelName") or not text_of(item, "SoftwareVersions"):
            yield Broken("equipment", "our model and version are not stated")
    if "medclean" not in [text_of(item, "Manufacturer") for item in new]:
        yield Broken("equipment", "we are not named")


RULES = (image_type, derivation_codes, coding_scheme, source_images, equipment)
