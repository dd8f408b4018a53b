"""Which files are NIfTI, by their names and first bytes; needs no library."""

import re
import zlib
from pathlib import Path, PurePosixPath

ENDINGS = (".nii", ".nii.gz")
SIDECARS = (".json", ".bval", ".bvec")
SIZES = (348, 540)  # bytes that a header states first, of NIfTI-1 and NIfTI-2
_LABELS = ("mask", "dseg", "probseg")  # suffixes of BIDS derivatives
_GZIP = b"\x1f\x8b"
_HALF = re.compile(r"(.+)\.(?:hdr|img)(?:\.gz)?", re.IGNORECASE)
_HEADS = (".hdr", ".hdr.gz", ".HDR", ".HDR.GZ")
_BEGIN = 1 << 12  # bytes of a file, perhaps compressed, that show whether it begins as a header


def takes(root: Path, path: str) -> bool:
    """Whether ``nifti.scan`` can tell what a file is: an image, a sidecar, or half of an image."""
    return path.lower().endswith((*ENDINGS, *SIDECARS)) or is_half(root / path)


def image_of(root: Path, path: str) -> str | None:
    """The image that a sidecar lies beside."""
    sidecar = PurePosixPath(path)
    endings = (*ENDINGS, *(ending.upper() for ending in ENDINGS))
    images = (str(sidecar.with_name(sidecar.stem + ending)) for ending in endings)
    known = sidecar.suffix in SIDECARS
    return next((image for image in images if known and (root / image).is_file()), None)


def is_nifti(path: Path) -> bool:
    """Whether a file's name says NIfTI."""
    return path.name.lower().endswith(ENDINGS)


def is_half(path: Path) -> bool:
    """Whether a file is the header, or the values, of an image in two files (Analyze, NIfTI)."""
    name = _HALF.fullmatch(path.name)
    headers = (path.with_name(name[1] + ending) for ending in _HEADS) if name else ()
    return any(_begins_a_header(header) for header in headers if header.is_file())


def is_compressed(path: Path) -> bool:
    """Whether a file is gzip, whatever its name says."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def stem(path: Path) -> str:
    """A file's name without its ending."""
    name = path.name
    return name[: -len(".nii.gz")] if name.lower().endswith(".gz") else name[: -len(".nii")]


def no_image(path: Path) -> tuple[str, str]:
    """What a BIDS name says of a file that is no image: the word of ``--include``, and why.

    Args:
        path: Of a NIfTI file; names that begin otherwise than ``sub-`` say nothing.

    Returns:
        ``("map", ...)`` of labels and measured maps, ``("phase", ...)``, or two empty texts.
    """
    entities = stem(path).split("_")
    suffix = entities[-1]
    if not entities[0].startswith("sub-"):
        return "", ""
    if suffix in _LABELS or suffix.endswith("map"):
        return "map", f"its BIDS suffix is {suffix}"
    if "part-phase" in entities or suffix.startswith("phase"):
        return "phase", "its BIDS name says phase"
    return "", ""


def _begins_a_header(path: Path) -> bool:
    """By so few of its bytes that nothing in it can take long."""
    try:
        with path.open("rb") as file:
            begin = file.read(_BEGIN)
        if begin.startswith(_GZIP):
            begin = zlib.decompressobj(wbits=zlib.MAX_WBITS + 16).decompress(begin, 4)
    except (OSError, zlib.error):
        return False
    begin = begin[:4]
    return not set(SIZES).isdisjoint(int.from_bytes(begin, o) for o in ("little", "big"))
