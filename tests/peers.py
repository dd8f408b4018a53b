"""Other people's programs that judge our files."""

import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pydicom
import pytest
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    ExplicitVRLittleEndian,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    LegacyConvertedEnhancedPETImageStorage,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
)

from rules.pair import derivations

_KNOWN = {  # classes that are denoised without being asked for
    *(CTImageStorage, MRImageStorage, PositronEmissionTomographyImageStorage),
    *(EnhancedCTImageStorage, EnhancedMRImageStorage, EnhancedPETImageStorage),
    *(LegacyConvertedEnhancedCTImageStorage, LegacyConvertedEnhancedMRImageStorage),
    LegacyConvertedEnhancedPETImageStorage,
}


class Forgiven(NamedTuple):
    """Something that dciodvfy says of a derived object, and not of its source, for all its right.

    Attributes:
        said: What finds it.
        why: The reason.
        residual: Only of residuals.
        other: Only of classes that are no CT, MR or PET, let in by ``--include``.
        passed: Only of multi-frame objects whose first frame went through unchanged.
    """

    said: str
    why: str
    residual: bool = False
    other: bool = False
    passed: bool = False


FORGIVEN = (
    Forgiven("99MEDCLEAN", "A private coding scheme is no defined term."),
    Forgiven(
        "condition unsatisfied .*<(MRPulseSequence|BulkMotionSynchronization)>$",
        'Forbidden where Image Type is DERIVED: PS3.3 C.8.13.4 says "may be present otherwise".',
    ),
    Forgiven(
        "RescaleType.*<US>$",
        "A defined term (C.11.1.1.2) that dciodvfy does not know for CT; HU must be where a frame "
        "is ORIGINAL (C.8.15.3.10), and no difference of Hounsfield units is one.",
        residual=True,
    ),
    Forgiven(
        "(BitsAllocated|BitsStored|HighBit|PixelRepresentation).*Unrecognized enumerated value",
        "Differences need a sign and 16 bits; these classes have a form for neither.",
        residual=True,
        other=True,
    ),
    Forgiven(
        "(WindowCenter|WindowWidth|VOILUTFunction).*not present in standard DICOM IOD",
        "Without a window nobody would see differences.",
        residual=True,
        other=True,
    ),
    Forgiven(
        "SourceImageEvidenceSequence.*condition unsatisfied|does not reference Instances$",
        "dciodvfy looks for references in the first frame, which has none; the others have.",
        passed=True,
    ),
)


def program(name, *folders):
    """Path of a program, perhaps in one of these; the test is skipped where it is not installed."""
    places = (None, str(Path(sys.executable).parent), *folders)
    found = next(filter(None, (shutil.which(name, path=place) for place in places)), None)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def free_ports(count):
    """Ports of this host that nobody listens to now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


def complaints(path):
    """What dciodvfy says, without what must differ.

    That is numbers of items, where a UID stands, and the intercept that it quotes of a rescale.
    """
    command = [program("dciodvfy"), "-new", path]
    said = subprocess.run(command, capture_output=True, text=True, errors="replace")
    must_differ = (
        r"</.*?> - (?=.*(Illegal root|VR \[UI\]))|\[\d+\]|(?<=windowing problems) = <[^<]*>$"
    )
    lines = (said.stdout + said.stderr).splitlines()
    return {re.sub(must_differ, "", line) for line in lines if line.strip()}


def news(source, derived, *, residual=False):
    """What dciodvfy says of a derived file beyond what it says of its source, and is not forgiven.

    It stops at the first thing in a damaged source that it does not understand: what it then says
    of a value that has not changed is no news either.
    """
    before, after = (pydicom.dcmread(path, force=True) for path in (source, derived))
    other = after.SOPClassUID not in _KNOWN
    passed = derivations(after)[:1] == [[]]
    forgiven = [
        f.said
        for f in FORGIVEN
        if f.residual <= residual and f.other <= other and f.passed <= passed
    ]
    with TemporaryDirectory() as folder:
        old = complaints(legible(source, Path(folder, "source.dcm")))
        new = complaints(legible(derived, Path(folder, "derived.dcm"))) - old
    return {
        line
        for line in new
        if not re.search("|".join(forgiven), line) and not _of_the_same_value(line, before, after)
    }


def _of_the_same_value(line, before, after):
    found = re.search(r"</\w+\(([0-9a-f]{4}),([0-9a-f]{4})\)> - Value ", line)
    if not found:
        return False
    tag = int(found[1] + found[2], 16)
    return tag in before and before.get_item(tag).value == after.get_item(tag).value


def legible(path, to):
    """The file itself, or one that dciodvfy can check: not deflated, and it names its class."""
    data = pydicom.dcmread(path, force=True)
    deflated = data.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian
    if data.get("SOPClassUID") and not deflated:
        return path
    if not data.get("SOPClassUID"):
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID
    if deflated:
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.save_as(to)
    return to
