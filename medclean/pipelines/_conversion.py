"""One stack of a series on its way into a data set; what runs in a worker process."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from medclean.archive.nifti.dcm2niix import Refused
from medclean.archive.stacks import Stored, by_dcm2niix, by_own_reader
from medclean.catalog import NORMALISERS
from medclean.errors import DataError
from medclean.physics.signal.body import body_mask
from medclean.pipelines._case import Made, Task, unit_of, written
from medclean.preprocess import bias
from medclean.preprocess.bias import Field
from medclean.preprocess.resample import Cropped, Resampled, isotropic, window_about
from medclean.preprocess.stack import Normalised, Stack, slabs, spacing_of
from medclean.volume import Given


def convert(task: Task) -> Made:
    """Convert a stack, prepare it, and write it with all that belongs to it.

    Raises:
        DataError: It cannot be read, or not be prepared as asked.
        MissingError: dcm2niix is not there.
        WriteError: A file cannot be written.
    """
    _check(task)
    with TemporaryDirectory(prefix=".work-", dir=task.into) as work:
        stored = _converted(task, Path(work))
        stack, steps, field_ = _prepared(stored, task)
        return written(task, stored, stack, steps, field_)


def _check(task: Task) -> None:
    series = task.series
    if not series.modality:
        raise DataError("nothing states its modality; say --modality MR, CT or PT")
    if series.modality == "CT" and series.unit != "HU":
        raise DataError("its values are no Hounsfield units")
    if 0 in task.group.shape:
        raise DataError("its images have no pixels, or a header that contradicts itself")
    if series.modality == "PT" and task.how.suv and task.about.suv is None:
        raise DataError(f"its SUV cannot be known: {task.about.why_no_suv}")
    if series.modality == "PT" and not task.how.suv and task.about.unit == "g/ml":
        raise DataError("its values are SUV, and no factor leads back to Bq/ml; say --suv")


def _converted(task: Task, work: Path) -> Stored:
    """By dcm2niix where that is asked for and it can; else by our own reader, which says why."""
    parts = (task.root, task.series, task.group)
    own = work / "own"
    own.mkdir()
    if task.series.format == "nifti" or task.how.converter == "medclean":
        return by_own_reader(*parts, own)
    try:
        return by_dcm2niix(*parts, work, seconds=task.how.seconds)
    except Refused as why:
        return by_own_reader(*parts, own, str(why))


def _prepared(stored: Stored, task: Task) -> tuple[Stack, list[dict[str, Any]], Field | None]:
    """The stack after all steps; what they were, so that one can go back; and the bias field."""
    how, about, modality = task.how, task.about, task.series.modality
    stack: Stack = stored
    steps: list[dict[str, Any]] = []
    given = Given(unit_of(task), 1.0, spacing_of(stored.affine), modality, suv=about.suv)
    if about.factor != 1:
        stack = Normalised(stack, _Times(about.factor), lambda start, stop: given)
        steps.append({"step": "activity", "factor": about.factor})
    if modality == "PT" and how.suv and about.unit != "g/ml":
        stack = Normalised(stack, NORMALISERS.make("suv"), lambda start, stop: given)
        steps.append({"step": "suv", "factor": about.suv})
    if how.resample or how.isotropic:
        if how.isotropic and not task.group.in_time:
            resampled = isotropic(stack, how.isotropic, force=how.force)
        else:
            side = how.resample or how.isotropic
            resampled = Resampled(stack, (None, side, side))
        steps.append({"step": "resample", "from": list(spacing_of(stack.affine))})
        stack = resampled
    field_ = None
    if modality == "MR" and how.bias == "n4":
        field_ = known = bias.estimate(stack, in_time=task.group.in_time)
        n4 = NORMALISERS.make("n4")
        stack = Normalised(stack, n4, lambda a, b: replace(given, bias=known.slab(a, b)))
        steps.append({"step": "n4"})
    if how.crop:
        stack = _cropped(stack, modality, how.crop)
        steps.append({"step": "crop", "top": stack.top, "left": stack.left})
    return stack, steps, field_


@dataclass(frozen=True)
class _Times:
    """A normaliser that multiplies by what the header says: counts become Bq/ml."""

    factor: float

    def forward(self, images: Any, given: Given) -> tuple[Any, Given]:
        return images * np.float32(self.factor), given


def _cropped(stack: Stack, modality: str, size: int) -> Cropped:
    """A window about all that is body in any slice, or about the middle where none is."""
    _, rows, columns = stack.shape
    seen, low = np.zeros((rows, columns), bool), np.inf
    for _, images in slabs(stack):
        seen |= np.any([body_mask(image, modality) for image in images], axis=0)
        low = min(low, float(images.min()))
    if not seen.any():
        seen[:] = True
    ends = [np.flatnonzero(seen.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    (top, bottom), (left, right) = ((int(a), int(b)) for a, b in ends)
    at = window_about((top, left, bottom, right), (rows, columns), size)
    return Cropped(stack, *at, size, low)
