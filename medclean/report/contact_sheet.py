"""One picture of each case of a data set, so that a wrong one is seen before it is learnt from."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imread, imsave
from numpy.typing import ArrayLike

from medclean.physics.signal.body import body_mask
from medclean.report.figures import AMBER, FADED, NIGHT, PAPER
from medclean.report.upright import upright
from medclean.volume import Image

SIDE = 160  # pixels of a thumbnail
MOST = 240  # cases that are shown
COLUMNS = 8
WINDOW = (-160.0, 240.0)  # HU
COLOURS = {"train": PAPER, "validation": AMBER, "test": "#7fb7ff"}
_PANEL, _TITLE = 1.6, 0.42  # inches


def thumbnail(image: Image, affine: ArrayLike, modality: str, scale: float) -> Image:
    """A slice as people look at it, with the outline of the body: ``(SIDE, SIDE, 3)``, 0 to 1.

    Args:
        image: ``(rows, columns)`` in real-world units.
        affine: (slice, row, column, 1) to LPS in mm.
        modality: ``"CT"`` has a window of its own.
        scale: White of all others.
    """
    axes = np.asarray(affine, float)[:3, 1:3]
    low, high = WINDOW if modality == "CT" else (0.0, scale)
    body = body_mask(image, modality)
    grey = np.clip((image - low) / (high - low), 0, 1)
    grey, body = upright(grey, affine), upright(body, affine)
    rows, columns = np.linalg.norm(axes, axis=0) * grey.shape
    places = [
        np.rint((np.arange(SIDE) - SIDE / 2) * max(rows, columns) / mm * side / SIDE + side / 2)
        for mm, side in zip((rows, columns), grey.shape, strict=True)
    ]
    inside = [(at >= 0) & (at < side) for at, side in zip(places, grey.shape, strict=True)]
    down, along = (
        at.clip(0, side - 1).astype(int) for at, side in zip(places, grey.shape, strict=True)
    )
    shown = np.outer(*inside)
    seen = body[np.ix_(down, along)] & shown
    drawn = np.repeat((grey[np.ix_(down, along)] * shown)[..., None], 3, axis=2)
    shifted = [np.roll(seen, step, axis) for axis in (0, 1) for step in (1, -1)]
    drawn[seen & ~np.all(shifted, axis=0)] = (1.0, 0.65, 0.1)
    return drawn.astype(np.float32)


def save_thumbnail(drawn: Image, path: Path) -> None:
    """Write one as PNG."""
    imsave(path, drawn)


def contact_sheet(cases: Sequence[Mapping[str, Any]], pictures: Path, path: Path) -> None:
    """Draw all cases, by patient, with their split and their noise.

    Args:
        cases: Entries of ``cases.json``.
        pictures: Folder with the thumbnails, by name of case.
        path: A ``.png``.
    """
    shown = sorted(cases, key=lambda case: str(case["case"]))[:MOST]
    columns = min(COLUMNS, max(len(shown), 1))
    rows = ceil(len(shown) / columns) or 1
    width, height = columns * _PANEL, rows * (_PANEL + _TITLE)
    figure = Figure(figsize=(width, height), facecolor=NIGHT)
    for place, case in enumerate(shown):
        row, column = divmod(place, columns)
        bottom = height - (row + 1) * (_PANEL + _TITLE)
        box = (column * _PANEL + 0.05, bottom, _PANEL - 0.1, _PANEL - 0.1)
        axes = figure.add_axes(
            (box[0] / width, box[1] / height, box[2] / width, box[3] / height), facecolor=NIGHT
        )
        axes.set_axis_off()
        picture = pictures / f"{case['case']}.png"
        if picture.is_file():
            axes.imshow(imread(picture))
        _title(axes, case)
    if len(cases) > MOST:
        more = f"{len(cases) - MOST} cases more"
        figure.text(0.5, 0, more, color=FADED, ha="center", va="bottom")
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _title(axes: Any, case: Mapping[str, Any]) -> None:
    style = {"xycoords": "axes fraction", "textcoords": "offset points"}
    count = int(case["shape"][0])
    depth = f"{count} {'frame' if case['in_time'] else 'slice'}{'s'[: count != 1]}"
    noise = f"noise {case['noise_share']:.1%}"
    first = f"{str(case['patient'])[:10]}  {case['split']}"
    colour = COLOURS[str(case["split"])]
    axes.annotate(first, (0, 1), (0, 13), color=colour, fontsize=7, **style)
    second = f"{case['modality']}  {depth}  {noise}"
    axes.annotate(second, (0, 1), (0, 4), color=FADED, fontsize=6, **style)
