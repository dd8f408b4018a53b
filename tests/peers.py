"""Other people's programs that judge our files."""

import re
import shutil
import socket
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
