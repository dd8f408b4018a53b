"""PNG frames of Sunnybrook cine MR as NIfTI, one file a subject: what ``medclean train`` reads.

    python tests/benchmarks/cine.py ../shared/data/cine OUT

The frames are end-diastole and end-systole of each slice position, without temporal neighbours;
they are stacked in the order of their names. The 8-bit values are kept. The PNG files do not state
positions: the spacing of 1.4 x 1.4 x 8 mm is typical of the sequence, not measured.
"""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

SPACING = (1.4, 1.4, 8.0)  # columns, rows, positions, in mm


def subjects(folder: Path) -> dict[str, list[Path]]:
    """The frames of each subject: what stands before ``-IM`` in the name is the subject."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.glob("*.png")):
        found[label(path.name.partition("-IM")[0])].append(path)
    return found


def label(name: str) -> str:
    """A BIDS label: ``SC-HF-I-01`` to ``SCHFI01``."""
    return re.sub("[^A-Za-z0-9]", "", name)


def convert(frames: list[Path], path: Path) -> None:
    """Write one subject's frames as one file ``(columns, rows, frames)`` with its sidecar."""
    stack = np.stack([np.asarray(Image.open(frame)) for frame in frames])
    affine = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(stack.transpose(2, 1, 0), affine).to_filename(path)
    sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))
    sidecar.write_text(json.dumps({"Modality": "MR", "BodyPart": "HEART"}) + "\n")


def main(source: Path, out: Path) -> None:
    """Convert every subject in a folder."""
    found = subjects(source)
    if not found:
        sys.exit(f"no PNG file in {source}")
    for subject, frames in found.items():
        convert(frames, out / f"sub-{subject}" / f"sub-{subject}_cine.nii.gz")
    print(f"{sum(map(len, found.values()))} frames of {len(found)} subjects in {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
