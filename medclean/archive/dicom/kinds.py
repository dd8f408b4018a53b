"""What an object is, by SOP Class and type words: which are denoised, and which only if asked.

Never by Modality: a dose screen states CT too.
"""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import NamedTuple

from pydicom.config import IGNORE
from pydicom.uid import (
    UID,
    CTImageStorage,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
)

from medclean.archive.dicom.frames import MULTI_FRAME, Image
from medclean.archive.dicom.headers import Header

CLASSIC: dict[str, str] = {
    CTImageStorage: "CT",
    MRImageStorage: "MR",
    PositronEmissionTomographyImageStorage: "PT",
}
_MODALITIES = CLASSIC | MULTI_FRAME
# Words of Image Type, from value 3 on.
_LOCALIZERS = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SURVIEW", "SURVEY"}
_PHASES = {"P", "PHASE", "R", "REAL", "I", "IMAGINARY"}
_MAPS = {
    *("MAP", "SUBTRACTION", "SUB", "STDDEV", "TTEST", "ZSCORE", "SCREENSAVE", "SCREEN", "SAVE"),
    *("PROJECTION", "MPR", "CPR", "CURVED", "REFORMATTED", "MIP", "MINIP", "MNIP", "VRT", "SSD"),
    *("PERFUSION", "CBF", "RCBF", "RELCBF", "CBV", "RCBV", "RELCBV", "MTT", "TTP", "TMAX"),
    *("ADC", "EADC", "FA"),
}
# Value 4 of a multi-energy CT image, all but VMI (PS3.3 C.8.15.2.1.1.5).
_ENERGY_MAPS = {
    *("MAT_SPECIFIC", "MAT_REMOVED", "MAT_FRACTIONAL", "MAT_MODIFIED", "MAT_VALUE_BASED"),
    *("EFF_ATOMIC_NUM", "ELECTRON_DENSITY"),
}
_CALCULATED = {  # of Frame Type, beside those above
    *("ADDITION", "DIVISION", "MASKED", "MAXIMUM", "MINIMUM", "MULTIPLICATION", "RESAMPLED"),
    *("STD_DEVIATION", "T_TEST", "Z_SCORE", "MAX_IP", "MIN_IP", "QUANTITY"),
}
_NO_IMAGES = re.compile("Segmentation|Dose|Parametric Map|Surface|Spectroscopy|Raw Data|Waveform")
_RAW_AND_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66"  # of classes newer than the dictionary too


class Kind(NamedTuple):
    """A kind of object that is skipped.

    Attributes:
        word: What ``--include`` calls it; ``""`` where nothing lets it in.
        reason: Why it is skipped.
        holds: Whether an object is one.
    """

    word: str
    reason: str
    holds: Callable[[Header], bool]


class Choice(NamedTuple):
    """What becomes of an object.

    Attributes:
        kind: The word of ``--include`` for it, or for some of its frames; ``""`` where none is.
        why_not: Why it is skipped; ``""`` where it is not.
        passed: Its frames that go through unchanged, by number, as they are of other kinds.
    """

    kind: str
    why_not: str
    passed: tuple[int, ...] = ()


def choose(header: Header, include: Collection[str] = ()) -> Choice:
    """Whether to take an object, and which of its frames.

    Args:
        header: Of the object.
        include: Kinds that are let in; ``"all"`` for every one that can be.
    """
    if not header.images or header.broken:
        return Choice(*kind_of(header, include))
    # What the whole is by its Image Type says little of a frame, such as MIXED.
    kind, why_not = kind_of(replace(header, image_type=(), component=""), include)
    if why_not:
        return Choice(kind, why_not)
    found: dict[Image, tuple[str, str]] = {}
    kinds = []
    for image in header.images:
        alike = Image(image.type, image.component, image.calculated, image.rescale_type)
        if alike not in found:
            found[alike] = kind_of(_as_header(header, alike), include)
        kinds.append(found[alike])
    if all(reason for _, reason in kinds):
        return Choice(*kinds[0])
    taken = next((word for word, reason in kinds if word and not reason), "")
    passed = (number for number, (_, reason) in enumerate(kinds) if reason)
    return Choice(kind or taken, "", tuple(passed))


def kind_of(header: Header, include: Collection[str] = ()) -> tuple[str, str]:
    """The kind that an object belongs to, and why it is skipped; ``""`` for each where not.

    Args:
        header: Of the object.
        include: Kinds that are let in; ``"all"`` for every one that can be.
    """
    if modality_of(header) and has_no_pixels(header):
        return "", ""  # cut off: to be read, it fails its series
    kinds = list(_kinds(header))
    for kind in kinds:
        if not kind.word:
            return "", kind.reason
        if not {kind.word, "all"} & set(include):
            return kind.word, f"{kind.word}: {kind.reason}; --include {kind.word} takes it"
    return (kinds[0].word if kinds else ""), ""


def modality_of(header: Header) -> str:
    """``"CT"``, ``"MR"`` or ``"PT"`` by SOP Class, ``""`` for others."""
    return _MODALITIES.get(header.sop_class, "")


def unit_of(header: Header) -> str:
    """Of the real-world values: HU, Bq/ml where Units (0054,1001) says so, else ``"au"``."""
    image = header.images[0] if header.images else Image()
    rescale_type, stated = header.rescale_type or image.rescale_type, header.units or image.units
    units = {("CT", ""): "HU", ("CT", "HU"): "HU", ("PT", "BQML"): "Bq/ml"}
    modality = modality_of(header)
    return units.get((modality, rescale_type if modality == "CT" else stated), "au")


def bareness(header: Header) -> str:
    """Why an object does not say what its images are; ``""`` where it does.

    Neighbouring pixels of a Siemens MOSAIC lie in different slices: nobody knows where, if nobody
    knows how many there are.
    """
    if header.broken:
        return ""
    if header.sop_class in MULTI_FRAME:
        return "" if header.images else "multi-frame without functional groups"
    unknown = modality_of(header) == "MR" and "MOSAIC" in _words(header) and not header.tiles
    return "a mosaic whose tiles cannot be counted, or do not fit it" if unknown else ""


def has_no_pixels(header: Header) -> bool:
    """Reports, presentation states, spectra; such an object is no gap in its series.

    A CT, MR or PET image must have pixels: without, it is damaged, and no such object.
    """
    return not header.pixels


def has_no_class(header: Header) -> bool:
    """ACR-NEMA and the like: nothing could be derived from it that conforms."""
    return not header.sop_class


def is_no_image(header: Header) -> bool:
    """Segmentations, dose grids, parametric maps: numbers with a meaning of their own."""
    named = _NO_IMAGES.search(UID(header.sop_class, validation_mode=IGNORE).name)
    return bool(named) or header.sop_class.startswith(_RAW_AND_SEGMENTATION)


def is_no_monochrome(header: Header) -> bool:
    """Anything but one sample a pixel, MONOCHROME1 or 2, in integers (PS3.3 C.7.6.3.1.2)."""
    monochrome = header.photometric in ("MONOCHROME1", "MONOCHROME2")
    return header.samples != 1 or header.pixels != "integer" or not monochrome


def is_own(header: Header) -> bool:
    """What medclean made, by Contributing Equipment (PS3.3 C.12.1)."""
    return header.own


def is_secondary(header: Header) -> bool:
    """Secondary Capture of any kind, also with Modality CT and values in HU."""
    return f"{header.sop_class}.".startswith(f"{SecondaryCaptureImageStorage}.")


def is_other(header: Header) -> bool:
    """Any other monochrome image: CR, DX, XA, NM, US, a vendor's own class."""
    return not modality_of(header) and not is_secondary(header)


def is_localizer(header: Header) -> bool:
    """A scout: LOCALIZER in Image Type (PS3.3 C.8.2.1.1.1, C.8.3.1.1.1)."""
    return bool(_LOCALIZERS & _words(header))


def is_phase(header: Header) -> bool:
    """MR phase, real or imaginary part, by Image Type or Complex Image Component (0008,9208)."""
    stated = header.component not in ("", "MAGNITUDE")
    return modality_of(header) == "MR" and (stated or bool(_PHASES & _words(header)))


def is_map(header: Header) -> bool:
    """Pixels that are computed from several images, or whose values are no intensities; no phase.

    By a word in Image Type; for PET by Series Type value 2 (PS3.3 C.8.9.1.1.1), for CT by a
    Rescale Type other than HU (absent means HU, C.8.2.1.1.2) or value 4 of multi-energy images.
    """
    modality = modality_of(header)
    return not is_phase(header) and (
        bool(_MAPS & _words(header))
        or (modality == "PT" and "REPROJECTION" in header.series_type[1:2])
        or (modality == "CT" and header.rescale_type not in ("", "HU"))
        or (modality == "CT" and bool(_ENERGY_MAPS & set(header.image_type[3:4])))
    )


KINDS = (  # in the order in which they are told
    Kind("", "has no pixels", has_no_pixels),
    Kind("", "states no SOP Class", has_no_class),
    Kind("", "not an image object", is_no_image),
    Kind("", "not a monochrome integer image", is_no_monochrome),
    Kind("own", "made by medclean", is_own),
    Kind("secondary", "Secondary Capture", is_secondary),
    Kind("other", "not CT, MR or PET", is_other),
    Kind("localizer", "a scout image", is_localizer),
    Kind("phase", "phase, real or imaginary part", is_phase),
    Kind("map", "a map, projection or other computed image", is_map),
)


def _as_header(header: Header, image: Image) -> Header:
    """A frame as if it were a classic image: calculated ones are projections.

    Of a flavour (value 3), PERFUSION says what the frame is for; what was made of several is told
    by value 4 (PS3.3 C.8.16.1.3 and C.8.16.1.4).
    """
    words = [*image.type[:2], *(word for word in image.type[2:3] if word != "PERFUSION")]
    words += image.type[3:]
    if image.calculated or _CALCULATED & set(image.type[2:]):
        words.append("PROJECTION")
    return replace(
        header,
        image_type=tuple(words),
        component=image.component,
        rescale_type=image.rescale_type,
        images=(),
    )


def _kinds(header: Header) -> Iterator[Kind]:
    return (kind for kind in KINDS if kind.holds(header))


def _words(header: Header) -> set[str]:
    """The words of Image Type from value 3 on: ``CSA MIP`` and ``M_FFE`` are two each."""
    words = {word for value in header.image_type[2:] for word in re.split("[^A-Z0-9]+", value)}
    return words - {""}
