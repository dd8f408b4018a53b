"""Write the DICOM conformance statement from the code: ``python man/conformance.py``."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pydicom
from pydicom.uid import UID, ExplicitVRBigEndian, RLELossless

from medclean.archive.derivation import CODES, MAKER, SCHEME, Derivation
from medclean.archive.dicom import deidentify, encode, profile, references
from medclean.archive.dicom.derive import COPIES, REMOVED
from medclean.archive.dicom.frames import MULTI_FRAME
from medclean.archive.dicom.kinds import CLASSIC, KINDS
from medclean.archive.dicom.plan import plan
from medclean.archive.dicom.read import read
from medclean.archive.dicom.scan import scan
from medclean.archive.dicom.uids import IMPLEMENTATION_CLASS
from medclean.archive.dicom.write import write
from medclean.archive.limits import Limits
from medclean.archive.numbers import unchanged
from medclean.archive.workers import Workers
from medclean.cli import NOTICE
from medclean.pipelines._codecs import SAMPLES
from roff import text

PAGE = Path(__file__).with_name("medclean-conformance.7")
IMAGES = Path(__file__).parent.parent / "sample_data"
DATE = "2026-11-21"  # of the page's last change in substance

ALWAYS = {
    "ImageType": "Value 1 is DERIVED. Value 2 stays the source's for CT and MR, PRIMARY for PET, "
    "and is SECONDARY for simulated images and residuals where the IOD allows. Later values stay.",
    "SOPInstanceUID": "New: 2.25 and a version-8 UUID (RFC 9562) hashed from settings, version, "
    "weights, source and resulting pixels, so that the same run gives the same UID, and no two "
    "different images share one.",
    "SeriesInstanceUID": "New, likewise. One derived series for each source series.",
    "SeriesNumber": "The source's and 1000, or the next free multiple; empty where it is empty.",
    "SeriesDescription": "The source's text, then [medclean MODEL]; with INCOMPLETE where images "
    "failed and --allow-gaps was given, after SIMULATED where noise was added or k-space "
    "undersampled. Shortened to 64 characters.",
    "DerivationDescription": "The source's text, then version, command and model.",
    "DerivationCodeSequence": "The source's items, then one for this step.",
    "SourceImageSequence": "Replaced by the images that this one was computed from, with purpose "
    "121322 and Spatial Locations Preserved YES.",
    "ReferencedSeriesSequence": "Where every source image is to be found, and what the source "
    "says of the whereabouts of other references.",
    "ContributingEquipmentSequence": "The source's items; one for its scanner (109101) where none "
    "is and the source states a manufacturer; one for medclean (109102).",
    "CodingSchemeIdentificationSequence": f"Describes {SCHEME}, where one of its codes is used.",
}
SOMETIMES = {
    "SOPClassUID, StudyInstanceUID": "Filled where the source's are empty: from the file meta, or "
    "hashed from Frame of Reference UID, Study Date, Accession Number and folder.",
    "StudiesContainingOtherReferencedInstancesSequence": "As Referenced Series Sequence, for "
    "references to other studies.",
    "SmallestImagePixelValue, LargestImagePixelValue": "Those of the new pixels, where the source "
    "states them.",
    "LossyImageCompression, LossyImageCompressionRatio, LossyImageCompressionMethod": "01, with "
    "ratio and method, where the source was compressed with loss, by its flag, its transfer "
    "syntax or its codestream. Never reset. Our own output is lossless.",
    "OverlayData (60xx,3000)": "Holds the overlay that the source has in unused bits of its pixels "
    "(retired); Bits Allocated 1, Bit Position 0.",
    "ImageComments": "Of simulated images: Simulated degradation, not for diagnosis; then the "
    "source's text.",
    "InstanceCreationDate, InstanceCreationTime": "Of the run, with --stamp alone; Contribution "
    "DateTime too.",
}
RESIDUALS = (
    "A residual, what was removed, is a series of its own: signed 16 bits, the source's Rescale "
    "Slope, Rescale Intercept 0, for CT Rescale Type US, a window around 0, no padding, no VOI LUT "
    "and no Real World Value Mapping. Its Series Description begins with RESIDUAL, its sources are "
    "source and denoised image, and stored denoised and stored residual add up to stored source. "
    "Of multi-frame objects each frame says so: in Pixel Value Transformation, Frame VOI LUT and "
    "Derivation Image, with that frame of both as its sources; value 4 of Frame Type and Image "
    "Type is SUBTRACTION. A frame that was not processed has a difference of 0, and the step "
    "113062 alone. An object without functional groups has no residual."
)
MULTI = (
    "Enhanced and legacy converted objects stay what they are. Value 1 of Frame Type is DERIVED in "
    "each frame that was processed, and of Image Type, MIXED where frames differ; value 2 is "
    "PRIMARY; missing values 3 and 4 are filled in. The Derivation Image macro of a processed "
    "frame gets one item more, with this step's code and the source frames; Source Image Evidence "
    "Sequence (0008,9154) locates them. Content Qualification is RESEARCH, unless the source says "
    "SERVICE. Concatenation UID and SOP Instance UID of Concatenation Source are new, and equal in "
    "all parts. Source Image Sequence, derivation, window and overlays at the top level are "
    "removed: these objects have no such modules. So are Smallest and Largest Image Pixel Value "
    "among what legacy conversion left unassigned."
)
DEPARTURES = {
    "Implementation Class UID": "Below 2.25, not below a root of our own (PS3.5 B.2): none is "
    "registered yet.",
    "Equipment at the top level": "Stays the scanner's, although the image was processed (note in "
    "PS3.3 C.12.1.1.5): private elements and converters depend on it. The processing is in "
    "Contributing Equipment Sequence.",
    "Dates and times": "Series, Content and Acquisition Date and Time are the source's, byte for "
    "byte, although series and pixels are new: Series Date and Time of PET are the reference of "
    "SUV (C.8.9.1.1.2), and the clock would make two runs differ.",
    "Legacy converted images": "Conversion Source Attributes Sequence is removed (PS3.3 A.70-2 to "
    "A.72-2): it would declare the derived object to be another view of the originals.",
    "Residuals of other classes": "Of images that only --include other lets in, a residual has a "
    "sign, 16 bits and a window, also where its IOD (such as US or VL) knows none of them.",
    "Derivation Code": "Noise reduction has no term in context group 7203, which is extensible; "
    f"the private scheme {SCHEME} has one.",
    "Faults of the source": "What the source lacks or states wrongly, and no rule here changes, "
    "is carried over byte for byte: a derived object conforms as far as its source does.",
}

HIDDEN = (
    "With --deidentify, objects follow the Basic Application Level Confidentiality Profile of "
    "PS3.15 Annex E at every depth, by the table that comes with dicom-anonymizer, and stricter: "
    "text that the profile does not name goes too, but for what is listed below; so do curves, "
    "overlays, bulk data that are no pixels or tables, coded terms of local schemes, and values "
    "that are none of their VR. File meta information is made from nothing.",
    "Patient Name, Patient ID and Study ID are pseudonyms, and every UID of an instance, "
    "also of references and in items, is replaced: by HMAC-SHA-256 under the key, so that the same "
    "key keeps studies, series and references together from run to run. Without Patient ID, each "
    "study is a patient of its own. Dates move by 1 to 3650 whole days back, alike for all of a "
    "patient, unless --keep-dates is given; what is no date is emptied. Times and the time zone "
    "stay. Of PET, weight, size, sex and the like stay, as SUV needs them; ages beyond 90 years "
    "become 90.",
    "Before a file gets its name, its data set is searched for names of persons, numbers and UIDs "
    "of the source; where one is left, the file fails. Burned In Annotation NO is never written, "
    "nor are the options 113101 and 113102: pixels are not looked at. Images that say that text "
    "is burned in, and secondary captures and other kinds that often have some, are skipped unless "
    "--allow-burned-in is given. Series of the head are named as such: faces can be made of them.",
    "What is not promised: that a name in one of the elements below is found where the source says "
    "it nowhere else; that pixels show no name and no face; that the scanner, its times or rare "
    "findings tell nobody who it is. Whoever has the key can say which pseudonym is whose.",
)


def page() -> str:
    """The man page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield r".\" Written by man/conformance.py from the code: change that, then `make man`."
    yield f'.TH MEDCLEAN\\-CONFORMANCE 7 "{DATE}" "medclean" "Conventions"'
    yield from (".SH NAME", r"medclean\-conformance \- DICOM conformance statement of medclean")
    yield from _paragraphs(
        "DESCRIPTION",
        "medclean reads image objects from DICOM files and writes objects derived from them into "
        "files (PS3.10). It has no network services, makes no DICOMDIR, and never changes a "
        "source. Terms are those of PS3.3.",
        NOTICE,
    )
    yield from _paragraphs("IMPLEMENTATION", "What file meta information says of the writer:")
    yield from _items({"Implementation Class UID": IMPLEMENTATION_CLASS})
    yield from _items({"Implementation Version Name": "MEDCLEAN_VERSION, at most 16 characters"})
    yield from _classes()
    yield from _syntaxes()
    yield from _attributes()
    yield from _codes()
    yield from _paragraphs("DEPARTURES", "Where the standard is not followed, on purpose:")
    yield from _items(DEPARTURES)
    yield from _hidden()
    yield from _limits()
    yield from (".SH SEE ALSO", r".BR medclean\-denoise (1),", r".BR medclean\-run (5)")


def _classes() -> Iterator[str]:
    """SOP Classes, and which objects are taken only on request."""
    yield from _paragraphs(
        "SOP CLASSES", "Images of these classes are read; the derived object has the same class."
    )
    yield from _items({UID(uid).name: uid for uid in (*CLASSIC, *MULTI_FRAME)})
    yield from (".PP", text("With --include, monochrome images of other classes are read too:"))
    for kind in KINDS:
        if kind.word:
            yield from (".TP", rf"\fB{text(kind.word)}\fR", text(_sentence(kind.reason)))
    yield from (".PP", text("These are never read, and are listed with the reason:"))
    for kind in KINDS:
        if not kind.word:
            yield from (r".IP \(bu 2", text(_sentence(kind.reason)))


def _syntaxes() -> Iterator[str]:
    """Transfer syntaxes in and out."""
    coded = [f"1.2.840.10008.1.2.{syntax}" for sample in SAMPLES for syntax in sample.syntaxes]
    taken = [*encode.NATIVE, ExplicitVRBigEndian, RLELossless, *coded]
    yield from _paragraphs("TRANSFER SYNTAXES", "Read:")
    yield from _items({UID(uid).name: str(uid) for uid in taken})
    yield ".PP"
    yield text(
        "JPEG 2000 codestreams are refused that are cut off, that lack tiles, or whose coded data "
        "do not end where a decoder does: altered ones, for the most part."
    )
    written = dict.fromkeys((*encode.NATIVE, *encode.SYNTAXES.values()))
    yield from (".PP", text("Written, always without loss:"))
    yield from _items({uid.name: str(uid) for uid in written})
    yield ".PP"
    yield text(
        "With `--syntax keep` an object is written as its source is encoded; where that would lose "
        "something, or we cannot, as Explicit VR Little Endian, which the manifest says."
    )


def _attributes() -> Iterator[str]:
    """What a derived object has that its source has not, and the reverse."""
    yield from _paragraphs(
        "ATTRIBUTES",
        "Elements that are not named here are copied byte for byte, private ones too. Rescale, "
        "window, padding, bit depth and sign never change.",
    )
    yield from (".SS Changed or added in every derived object", *_items(_spelt(ALWAYS)))
    yield from (".SS Changed or added where it applies", *_items(_spelt(SOMETIMES)))
    yield from (".SS Multi-frame objects", text(MULTI))
    yield from (".SS Residuals", text(RESIDUALS))
    yield from (".SS Removed", text("False of a derived object, or of where its source was kept:"))
    for keyword in REMOVED:
        yield from (r".IP \(bu 2", text(_name(keyword)))
    yield from (r".IP \(bu 2", text("group lengths (gggg,0000), which are retired"))
    yield from (".PP", text("Private elements that hash or copy pixels, by group and creator:"))
    for (group, creator), numbers in COPIES.items():
        tags = ", ".join(f"({group:04X},xx{number:02X})" for number in numbers)
        yield from (r".IP \(bu 2", text(f"{tags} {creator}"))


def _codes() -> Iterator[str]:
    """Coded terms that we write."""
    yield from _paragraphs("CODED TERMS", "In Derivation Code Sequence:")
    yield from _items({f"{code.value}, {code.scheme}": code.meaning for code in CODES.values()})
    yield from (".PP", text(f"{SCHEME} is a coding scheme of {MAKER}; its terms are those above."))
    purpose = references.PURPOSE
    yield from (".PP", text("In Purpose of Reference Code Sequence of source images:"))
    yield from _items({f"{purpose.value}, {purpose.scheme}": purpose.meaning})


def _hidden() -> Iterator[str]:
    """What de-identification does, and what it does not."""
    yield from _paragraphs("DE-IDENTIFICATION", *HIDDEN)
    yield from (".PP", text("In De-identification Method Code Sequence, as far as in force:"))
    yield from _items({f"{code.value}, {code.scheme}": code.meaning for code in deidentify.CODES})
    yield from (".PP", text("Text that stays in what describes the technique:"))
    for keyword in sorted(profile.KEPT_TEXT):
        yield from (r".IP \(bu 2", text(_name(keyword)))
    yield from (".PP", text("Private elements that stay (Table E.3.10-1), by group and creator:"))
    for (group, creator), numbers in profile.PRIVATE.items():
        tags = ", ".join(f"({group:04X},xx{number:02X})" for number in numbers)
        yield from (r".IP \(bu 2", text(f"{tags} {creator}"))


_LIMITED = {
    "inflated": "Bytes of a deflated data set (KiB, MiB or GiB).",
    "pixels": "Bytes of the decoded pixels of a file.",
    "frames": "Images in a file.",
    "nesting": "Sequences within each other; 150 at most.",
    "seconds": "Time that it may take to read or write a file.",
    "memory": "Address space of each process that reads and writes, 2GiB at least; 0 is an even "
    "share of the machine's memory.",
}


def _limits() -> Iterator[str]:
    yield from _paragraphs(
        "LIMITS",
        "Beyond these a file fails, and no other with it; --limits of medclean-denoise(1) and "
        "medclean-train(1), or the variable MEDCLEAN_LIMITS, sets others. They hold for NIfTI, "
        "too, as far as they apply.",
    )
    yield from _items({f"{name}={value}": _LIMITED[name] for name, value in Limits().items()})


def differing() -> set[str]:
    """Keywords of what differs between sample images and objects derived from them."""
    found: set[str] = set()
    step = Derivation(
        command="denoise",
        model="dgan",
        code=CODES["DLNR"],
        settings={},
        version="0",
        title="medclean",
        suffix=" [medclean]",
    )
    paths = [str(next(IMAGES.glob(f"{name}/noisy/*")).relative_to(IMAGES)) for name in ("ct", "mr")]
    with TemporaryDirectory() as folder, Workers(1) as workers:
        to = Path(folder, "derived.dcm")
        for series in scan(IMAGES, paths, workers).series:
            write(IMAGES, series, 0, unchanged(read(IMAGES, series, 0)), plan(series, step), to)
            before, after = map(pydicom.dcmread, (IMAGES / series.instances[0].path, to))
            found |= {e.keyword for e in after if before.get(e.tag) != e}
    return found


def _paragraphs(title: str, *said: str) -> Iterator[str]:
    yield f".SH {title}"
    for place, paragraph in enumerate(said):
        yield from ([".PP"] if place else [])
        yield text(paragraph)


def _items(said: Mapping[str, str]) -> Iterator[str]:
    for name, meaning in said.items():
        yield from (".TP", rf"\fB{text(name)}\fR", text(meaning))


def _spelt(said: Mapping[str, str]) -> dict[str, str]:
    """Keywords as the names and tags of elements."""
    return {_joined(keys.split(", ")): meaning for keys, meaning in said.items()}


def _joined(keywords: Iterable[str]) -> str:
    return ", ".join(_name(keyword) for keyword in keywords)


def _name(keyword: str) -> str:
    tag = pydicom.datadict.tag_for_keyword(keyword)
    if tag is None:
        return keyword
    return f"{pydicom.datadict.dictionary_description(tag)} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _sentence(reason: str) -> str:
    return f"{reason[0].upper()}{reason[1:]}."


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
