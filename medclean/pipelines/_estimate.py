"""How much room the outputs of a run take, and how much there is."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from medclean.archive.series import Series
from medclean.log import size
from medclean.pipelines._copies import Copies
from medclean.pipelines._method import Method
from medclean.pipelines._request import Request

TAGS = 1 << 12  # bytes that a derived header has more than its source's
PIXEL = 2  # bytes of a stored pixel: images of 8 bits are rare, of 32 rarer
SMALLEST = 0.25  # of its pixels, that a lossless file of an image hardly falls short of


class Disk(NamedTuple):
    """Bytes that outputs take; no more can be known before they are compressed.

    Attributes:
        least: At least.
        most: At most.
        free: Where they shall lie.
    """

    least: int
    most: int
    free: int

    @property
    def warning(self) -> str:
        """What the user should know before it is too late; ``""`` if all will fit."""
        if self.free >= self.most:
            return ""
        will = "will not fit" if self.free < self.least else "may not fit"
        return f"the outputs {will}: they take {self}, and {size(self.free)} are free there"

    def __str__(self) -> str:
        least, most = size(self.least), size(self.most)
        return most if least == most else f"{least} to {most}"


def disk(request: Request[Method], todo: Sequence[Series], others: Iterable[Copies]) -> Disk:
    """The room that the outputs of some series, and some copies, take."""
    root, residual = request.inputs.root, "residual" in request.method.layout.roles
    beside = sum(request.method.room(series) for series in todo)
    bounds = [_bounds(series, request.job.syntax, residual=residual) for series in todo]
    copied = sum(count for copies in others for count in copies.sizes(root))
    least, most = (copied + beside + sum(bound[which] for bound in bounds) for which in (0, 1))
    return Disk(least, most, shutil.disk_usage(standing(request.out)).free)


def standing(out: Path) -> Path:
    """A folder, or the nearest above it that exists."""
    whole = out.absolute()
    return next(folder for folder in (whole, *whole.parents) if folder.exists())


def pixels_of(series: Series) -> int:
    """Pixels of all its images; 0 for images whose header is damaged."""
    return sum(len(g.frames) * g.shape[0] * g.shape[1] for g in series.groups)


def _bounds(series: Series, syntax: str, *, residual: bool) -> tuple[int, int]:
    headers = TAGS * len(series.instances)
    source = headers + sum(instance.bytes for instance in series.instances)
    native = headers + PIXEL * pixels_of(series)
    packed = int(native * SMALLEST)
    if series.format != "dicom":
        least = most = source
    elif syntax == "keep":  # a lossy source gets larger: we write none
        least, most = source, max(source, native)
    else:
        least, most = native if syntax == "explicit" else packed, native
    return (least + packed, most + native) if residual else (least, most)
