"""What ``medclean undersample`` is asked."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from medclean.jobs._series import AllowingMissing, SeriesJob
from medclean.jobs._setting import Setting


@dataclass(frozen=True, kw_only=True)
class UndersampleJob(SeriesJob):
    """Sample the k-space of image series in part, and write their zero-filled images."""

    out: Annotated[Path, Setting("Folder for the zero-filled series.", flags=("--out", "-o"))] = (
        field()
    )
    mask: Annotated[
        str,
        Setting(
            "Which of k-space is sampled, with options as in 'gaussian-1d:ratio=0.3'.",
            "result",
            metavar="SPEC",
        ),
    ]
    transform: Annotated[
        Literal["2d", "3d"],
        Setting(
            "What has a k-space: each slice by itself, or the volume that they make.", "result"
        ),
    ] = "2d"
    allow_missing: AllowingMissing = False
    arrays: Annotated[
        Literal["kspace", "images"],
        Setting(
            "What complex .npy arrays (coils, rows, columns) hold; other files say it.", "result"
        ),
    ] = "kspace"
    force: Annotated[
        bool,
        Setting("Take images of other modalities than MR too, and phase images."),
    ] = False
