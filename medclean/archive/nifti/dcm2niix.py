"""Conversion by dcm2niix, a program of its own (Li et al. 2016): asked politely, never believed."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from medclean.errors import DataError, MissingError

PARTIAL = 8
STATUSES = {  # of its documentation
    1: "an error that it does not specify",
    2: "no DICOM image found",
    4: "a corrupt file",
    5: "no such input folder",
    6: "no such output folder",
    7: "the output folder cannot be written",
    PARTIAL: "only some of the files converted",
    10: "incomplete volumes",
}
_INSTALL = "install it with `python -m pip install dcm2niix`, or convert with --converter medclean"
_OPTIONS = (
    *("-g", "i"),  # first: forget what a file of defaults in the home says
    *("-b", "y"),  # a sidecar
    *("-ba", "y"),  # without names and dates; it keeps enough else to be looked through
    *("-z", "n"),  # not compressed: its slices are mapped into memory
    *("-x", "i"),  # slices stay those that were acquired: a 3-D image is neither cut nor turned
    *("-m", "y"),  # the files belong together
    *("-f", "image"),  # never a name made from a tag
)


class Refused(DataError):
    """It did not convert these files, which another reader may."""


def program() -> str:
    """Path of the program: that of the Python package, else the one on PATH.

    Raises:
        MissingError: There is none.
    """
    package = find_spec("dcm2niix")
    folders = list(package.submodule_search_locations or ()) if package else []
    found = shutil.which("dcm2niix", path=os.pathsep.join(folders)) if folders else None
    found = found or shutil.which("dcm2niix")
    if found is None:
        raise MissingError(f"dcm2niix is not there; {_INSTALL}")
    return found


def convert(
    files: Sequence[Path], folder: Path, *, display: bool = False, seconds: float = 600
) -> Path:
    """Have files of one stack converted; nothing that it says is passed on: it quotes tags.

    Args:
        files: DICOM files, and no others.
        folder: An empty one; links to the files are made in it, and what comes out is put there.
        display: Of Philips' MR the displayed values DV, and not DV / (RS x SS). It must be False
            where slices have a slope each: all would get that of the first.
        seconds: Time limit.

    Returns:
        The only image, ``.nii``, with its ``.json`` beside it.

    Raises:
        Refused: It did not make one image of all files within the time.
        MissingError: The program is not there.
    """
    source, out = folder / "in", folder / "out"
    source.mkdir()
    out.mkdir()
    for number, file in enumerate(files):
        (source / f"{number:06}.dcm").symlink_to(file.absolute())
    command = [program(), *_OPTIONS, "-p", "n" if display else "y", "-o", str(out), str(source)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"dcm2niix took longer than {seconds:g} s and was stopped") from None
    if done.returncode:
        said = STATUSES.get(done.returncode, "a status that it does not document")
        raise Refused(f"dcm2niix ended with status {done.returncode}: {said}")
    images = sorted(out.glob("*.nii"))
    if len(images) != 1:
        raise Refused(f"dcm2niix made {len(images)} images of one stack")
    return images[0]
