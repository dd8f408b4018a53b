"""What a derived image says about itself: everything but its pixels (PS3.3 C.7.6.1, C.12.1)."""

from contextlib import suppress
from datetime import datetime

from pydicom.uid import (
    CTImageStorage,
    PositronEmissionTomographyImageStorage,
    VLWholeSlideMicroscopyImageStorage,
)

from medclean.archive.derivation import INCOMPLETE, MAKER, SCHEME, Code, Derivation
from medclean.archive.dicom.codes import code_item
from medclean.archive.dicom.elements import Changes, Elements, Item, Key, Value
from medclean.archive.dicom.frames import MULTI_FRAME
from medclean.archive.dicom.multiframe import of_frames
from medclean.archive.dicom.plan import Plan
from medclean.archive.dicom.references import references
from medclean.archive.dicom.texts import framed
from medclean.archive.dicom.transcode import contents
from medclean.archive.series import Instance, Series

_ACQUIRED = Code("109101", "DCM", "Acquisition Equipment")
_PROCESSED = Code("109102", "DCM", "Processing Equipment")
_SCANNER = (  # of General Equipment (C.7.5.1), what an item of Contributing Equipment has too
    "Manufacturer",
    "InstitutionName",
    "StationName",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
)
_PRIMARY = (  # classes of which value 2 of Image Type is nothing else (C.8.9.4.1.1, C.8.12.4.1.1)
    PositronEmissionTomographyImageStorage,
    VLWholeSlideMicroscopyImageStorage,
)
REMOVED = (
    "LengthToEnd",  # retired, and would be wrong
    "InstanceCreationDate",
    "InstanceCreationTime",
    "InstanceCreatorUID",
    "InstanceCoercionDateTime",
    "RetrieveAETitle",
    "RetrieveURL",
    "AlternateRepresentationSequence",
    "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries",
    "IconImageSequence",
    "StorageMediaFileSetID",
    "StorageMediaFileSetUID",
    "SOPInstanceStatus",
    "SOPAuthorizationDateTime",
    "SOPAuthorizationComment",  # such as "authorized for diagnostic use": the source was
    "MACParametersSequence",
    "DigitalSignaturesSequence",
    "DataSetTrailingPadding",
    "ExtendedOffsetTable",  # of the source's pixel data, as the next one
    "ExtendedOffsetTableLengths",
)
COPIES = {  # private elements that hash or copy pixels, by group and creator
    (0x0009, "GEIIS"): (0x10,),
    (0x0019, "SIEMENS MED SMS USG S2000"): (0x3C,),
    (0x0029, "2.16.840.1.114059.1.1.6.1.50.1"): (0x27,),
    (0x0029, "SCHICK TECHNOLOGIES - Image Security Creator ID"): (0x01,),
    (0x0037, "MAROTECH Inc."): (0x21, 0x22, 0x23),
    (0x0045, "GEMS_SENO_02"): (0x3F,),
    (0x0055, "VEPRO VIF 3.0 DATA"): (0x30, 0x65),
    (0x0055, "VEPRO VIM 5.0 DATA"): (0x30,),
    (0x07A1, "ELSCINT1"): (0x0A,),
    (0x1135, "Voxar 2.16.124.113543.6003.1999.12.20.12.5.0"): (0x02,),
    (0x7FE1, "SIEMENS MED NM"): (0x10,),
    (0x7FE1, "SPI-P Release 1"): (0x10,),
}


def derived(source: Elements, series: Series, instance: int, plan: Plan, uid: str) -> Changes:
    """What changes in a data set beside its pixels; all else stays byte for byte.

    Dates, times, geometry, patient, study, window, rescale and padding are not touched.

    Args:
        source: The source's data set.
        series: The source series.
        instance: Which of its files this is.
        plan: What the derived series' instances share.
        uid: SOP Instance UID of the derived object.
    """
    derivation, file = plan.derivation, series.instances[instance]
    of_class = of_frames if file.sop_class in MULTI_FRAME else of_image
    return {
        **removed(source),
        **_identity(source, series, file, plan, uid),
        **of_class(source, series, file, plan),
        **_scheme(source, derivation),
        "ContributingEquipmentSequence": equipment(source, derivation),
        **_described(source, plan),
        **_commented(source, derivation),
        **_stamped(source, derivation.stamp),
    }


def of_image(source: Elements, series: Series, file: Instance, plan: Plan) -> Changes:
    """What changes in a data set of one image: its type, its derivation, its sources."""
    return {
        "ImageType": image_type(source, file.sop_class, plan.derivation),
        **_steps(source, plan.derivation),
        **references(source, series, plan.sources[file.path], plan.located),
    }


def removed(source: Elements) -> Changes:
    """What would be false of a derived object, or speaks of where the source was kept.

    Group lengths are retired (PS3.5 7.2), and no longer right.
    """
    keys: list[Key] = [*REMOVED, *(tag for tag in source.spans if not tag & 0xFFFF)]
    for tag in source.spans:
        group, block = tag >> 16, tag & 0xFFFF
        if group % 2 and 0x10 <= block <= 0xFF:  # a private creator
            copies = COPIES.get((group, source.text(tag)), ())
            keys += [group << 16 | block << 8 | number for number in copies]
    return dict.fromkeys(keys)


def image_type(source: Elements, sop_class: str, derivation: Derivation) -> bytes:
    r"""Value 1 is DERIVED; value 3 and later stay in place (C.7.6.1.1.2).

    Value 2 stays what the source says; simulated images and residuals are SECONDARY, but for
    classes that know PRIMARY only, such as PET. Fewer than two values become ``DERIVED\PRIMARY``,
    for CT ``\AXIAL`` too.
    """
    values = [value.strip(b" \0") for value in source.value("ImageType").split(b"\\")]
    if len(values) < 2:
        values = [b"", b"", *([b"AXIAL"] if sop_class == CTImageStorage else [])]
    second = b"SECONDARY" if derivation.prefix else values[1] or b"PRIMARY"
    values[:2] = b"DERIVED", b"PRIMARY" if sop_class in _PRIMARY else second
    return b"\\".join(values)


def equipment(source: Elements, derivation: Derivation) -> list[Item]:
    """What contributed: the source's items, its scanner where none says so, and we (C.12.1.1.5).

    The equipment at the top level stays the scanner's, a departure from the note there: private
    elements and converters depend on it.
    """
    items: list[Item] = [*contents(source, "ContributingEquipmentSequence")]
    purposes = [
        purpose.text("CodeValue")
        for item in source.items("ContributingEquipmentSequence")
        for purpose in item.items("PurposeOfReferenceCodeSequence")
    ]
    scanner = {key: source.value(key) for key in _SCANNER if source.text(key)}
    if _ACQUIRED.value not in purposes and "Manufacturer" in scanner:
        items.append({**scanner, "PurposeOfReferenceCodeSequence": [code_item(_ACQUIRED)]})
    versions = [derivation.version, *([derivation.weights[:12]] if derivation.weights else [])]
    ours: dict[str, Value] = {
        "Manufacturer": MAKER,
        "ManufacturerModelName": f"{derivation.command} {derivation.model}"[:64],
        "SoftwareVersions": "\\".join(versions),
        "PurposeOfReferenceCodeSequence": [code_item(_PROCESSED)],
    }
    if derivation.stamp:
        moment = datetime.fromisoformat(derivation.stamp)
        ours["ContributionDateTime"] = f"{moment:%Y%m%d%H%M%S%z}"
    return [*items, ours]


def _identity(source: Elements, series: Series, file: Instance, plan: Plan, uid: str) -> Changes:
    """A new instance in a new series; Type 1 UIDs that the source lacks are filled in."""
    changes: Changes = {"SOPInstanceUID": uid, "SeriesInstanceUID": plan.series_uid}
    if not source.text("SOPClassUID"):
        changes["SOPClassUID"] = file.sop_class
    if not source.text("StudyInstanceUID"):
        changes["StudyInstanceUID"] = series.study_uid
    residual = plan.derivation.role == "residual"
    number = series.residual_number if residual else series.derived_number
    if source.text("SeriesNumber") and number is not None:
        changes["SeriesNumber"] = str(number)
    return changes


def _steps(source: Elements, derivation: Derivation) -> Changes:
    """Exactly one coded item for our step behind those of earlier ones (C.12.4), and its text."""
    earlier = contents(source, "DerivationCodeSequence")
    return {
        "DerivationCodeSequence": [*earlier, *map(code_item, derivation.codes)],
        "DerivationDescription": framed(
            source.value("DerivationDescription"),
            after=f"; {derivation.description}",
            limit=1024,
            charset=source.text("SpecificCharacterSet"),
        ),
    }


def _scheme(source: Elements, derivation: Derivation) -> Changes:
    """What our own codes belong to, where there are any."""
    known = source.items("CodingSchemeIdentificationSequence")
    ours = any(item.text("CodingSchemeDesignator") == SCHEME for item in known)
    if ours or all(code.scheme != SCHEME for code in derivation.codes):
        return {}
    return {
        "CodingSchemeIdentificationSequence": [
            *contents(source, "CodingSchemeIdentificationSequence"),
            {
                "CodingSchemeDesignator": SCHEME,
                "CodingSchemeName": "medclean processing steps",
                "CodingSchemeResponsibleOrganization": MAKER,
            },
        ]
    }


def _described(source: Elements, plan: Plan) -> Changes:
    """Series Description within 64 characters, its bytes kept."""
    return {
        "SeriesDescription": framed(
            source.value("SeriesDescription"),
            before=plan.derivation.prefix,
            after=plan.derivation.suffix + (INCOMPLETE if plan.left_out else ""),
            limit=64,
            charset=source.text("SpecificCharacterSet"),
        )
    }


def _commented(source: Elements, derivation: Derivation) -> Changes:
    """Image Comments of a simulated image begin with what it is; its own text follows."""
    if not derivation.comment:
        return {}
    own = source.value("ImageComments").strip(b" \0")
    return {
        "ImageComments": framed(
            own,
            before=derivation.comment + ("; " if own else ""),
            limit=10240,
            charset=source.text("SpecificCharacterSet"),
        )
    }


def _stamped(source: Elements, stamp: str | None) -> Changes:
    """Instance Creation Date and Time, in the time zone that the data set is written in."""
    if not stamp:
        return {}
    moment = datetime.fromisoformat(stamp)
    with suppress(ValueError):  # none is stated, or no valid one
        zone = datetime.strptime(source.text("TimezoneOffsetFromUTC"), "%z").tzinfo
        moment = moment.astimezone(zone)
    return {
        "InstanceCreationDate": moment.strftime("%Y%m%d"),
        "InstanceCreationTime": moment.strftime("%H%M%S"),
    }
