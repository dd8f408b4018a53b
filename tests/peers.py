"""Other people's programs that judge our files."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

# What dciodvfy forbids where Image Type is DERIVED, PS3.3 C.8.13.4 says of it "may be present
# otherwise"; it treats bulk motion likewise. A private coding scheme is no defined term.
TOO_STRICT = re.compile(
    r"99MEDCLEAN|condition unsatisfied .*<(MRPulseSequence|BulkMotionSynchronization)>$"
)


def program(name):
    """Path of a program; the test is skipped where it is not installed."""
    beside = shutil.which(name, path=str(Path(sys.executable).parent))
    found = shutil.which(name) or beside
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def complaints(path):
    """What dciodvfy says, without what must differ: numbers of items, and where a UID stands."""
    command = [program("dciodvfy"), "-new", path]
    said = subprocess.run(command, capture_output=True, text=True, errors="replace")
    lines = (said.stdout + said.stderr).splitlines()
    return {
        re.sub(r"</.*?> - (?=.*(Illegal root|VR \[UI\]))|\[\d+\]", "", line)
        for line in lines
        if line.strip() and not TOO_STRICT.search(line)
    }


def with_class(path, to):
    """The file itself, or one that names its class, without which dciodvfy checks nothing."""
    data = pydicom.dcmread(path, force=True)
    if data.get("SOPClassUID"):
        return path
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID
    data.save_as(to)
    return to
