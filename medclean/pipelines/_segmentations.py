"""Segmentations against their references: overlap and distances of each label."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from medclean.errors import DataError
from medclean.pipelines._evaluation import UNDEFINED, Evaluation, Matched, Shelf
from medclean.pipelines._measured import regions_of
from medclean.pipelines._scores import Gap, Row
from medclean.pipelines._spool import Stack
from medclean.quality.overlap import FIGURES, figures

LABELS = 1000  # of a segmentation


def compared(series: Sequence[Matched], work: Evaluation) -> Iterator[Row]:
    """The figures of all references of a series; what fails is a gap."""
    with TemporaryDirectory(prefix="medclean-evaluate-") as folder:
        shelf = Shelf(Path(folder), work.workers, work.stop)
        for one in series:
            for result, match in one.results.items():
                work.stop.check()
                try:
                    reference, _ = shelf.of(one.reference)
                    stack = replace(shelf.of(match.case)[0], turn=match.turn)
                    yield from _rows(one, result, (stack, reference), work)
                except DataError as error:
                    work.refuse(one.reference, result, error)
            work.bar.advance(one.reference.shape[0])


def _rows(
    one: Matched, result: str, stacks: tuple[Stack, Stack], work: Evaluation
) -> Iterator[Row]:
    case, patient = work.names.case(one.reference), work.names.patient(one.reference)
    labels = sorted({label for stack in stacks for label in regions_of(stack, LABELS)})
    look = partial(overlapping, stacks, one.reference.spacing)
    for label, task in work.workers.map(look, labels):
        for metric, value in task.result().items():
            region = f"label {label}"
            if metric in work.metrics and isnan(value):
                work.gaps.append(Gap(result, case, UNDEFINED, metric, region))
            elif metric in work.metrics:
                unit = FIGURES[metric][1]
                yield Row(result, patient, case, region, metric, value, unit)


def overlapping(
    stacks: tuple[Stack, Stack], spacing: tuple[float, float, float], label: int
) -> dict[str, float]:
    """All figures of a label; runs in a worker."""
    result, reference = (np.asarray(stack.values == label) for stack in stacks)
    return figures(result, reference, spacing=spacing)
