"""Draws what medclean made of the samples: ``python sample_data/picture.py [DEMO [PICTURE]]``.

DEMO holds the denoised series as ``mr/NN.dcm`` or ``mr/noisy/NN.dcm``, and ``ct`` alike. A study
that is not there is left out of the picture.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from medclean.archive.dicom.read import load, pixels_of
from medclean.report.figures import Comparison, triptych
from medclean.volume import CT_SCALE, Image

SAMPLES = Path(__file__).parent


class Shot(NamedTuple):
    """What of a study is shown.

    Attributes:
        kind: Folder of the study.
        title: What it is.
        number: File of the slice.
        skip: Rows at the top that are not drawn: there is only air.
        window: In real-world units.
        unit: Of these.
        spacing: Of a pixel in mm.
        zoom: First row, first column and width of the detail.
    """

    kind: str
    title: str
    number: int
    skip: int
    window: tuple[float, float]
    unit: str
    spacing: float
    zoom: tuple[int, int, int]


SHOTS = (
    Shot("mr", "T1", 3, 0, (0, 1100), "au", 0.9, (88, 70, 56)),
    Shot("ct", "CT", 4, 72, (-140, 260), "HU", 0.7, (140, 60, 110)),
)


def main(demo: Path, picture: Path) -> None:
    """Draw a row a study that was denoised."""
    rows = [row for shot in SHOTS if (row := _row(shot, demo))]
    if not rows:
        sys.exit(f"{demo} holds no denoised sample; run `make demo`")
    triptych(rows, picture, dpi=100)
    print(picture)


def _row(shot: Shot, demo: Path) -> Comparison | None:
    name = f"{shot.number:02}.dcm"
    found = [demo / shot.kind / name, demo / shot.kind / "noisy" / name]
    result = next((path for path in found if path.is_file()), None)
    if result is None:
        return None
    noisy, clean = (SAMPLES / shot.kind / series for series in ("noisy", "clean"))
    return Comparison(
        f"{shot.title}: before",
        _read(noisy / name),
        _read(result),
        shot.window,
        shot.unit,
        shot.spacing,
        _read(clean / name),
        CT_SCALE if shot.kind == "ct" else _scale(clean),
        shot.zoom,
        shot.skip,
    )


def _read(path: Path) -> Image:
    return pixels_of(load(path)).real[0]


def _scale(series: Path) -> float:
    """What 1 means to PSNR and SSIM: the 99.9th percentile of the clean series."""
    return float(np.percentile([_read(path) for path in sorted(series.glob("*.dcm"))], 99.9))


if __name__ == "__main__":
    demo = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    main(demo, Path(sys.argv[2]) if len(sys.argv) > 2 else demo / "before-after.png")
