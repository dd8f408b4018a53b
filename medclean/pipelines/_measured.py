"""What slices of a case add to the figures of its results; runs in worker processes."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medclean.catalog import METRICS
from medclean.errors import DataError
from medclean.inference.batches import visible
from medclean.physics.signal.body import body_mask
from medclean.pipelines._spool import Stack
from medclean.quality.metrics._base import Metric, Pair, Part
from medclean.quality.papers import Convention, window
from medclean.volume import Image, Mask

IMAGE, BODY, MASK = "image", "body", "mask"
NOISY = "noisy"


class Figure(NamedTuple):
    """What is told: of which result, by which metric, where."""

    result: str
    metric: str
    region: str


Parts = dict[Figure, list[Part]]


class NoRegions(DataError):
    """A mask or segmentation holds other values; the message names no file."""


@dataclass(frozen=True)
class Measuring:
    """A reference, its results, and what to measure; can be pickled.

    Attributes:
        reference: The truth.
        results: By name; what they were made from is one of them.
        mask: Whole numbers, each a region; 0 is none.
        regions: The numbers in ``mask``.
        metrics: Spec by name.
        convention: How images are scored.
        windows: Ranges of values that images are cut to, by the name of the region.
        modality: Of all; ``""`` where nobody said.
        spacing: Of rows and columns, in mm.
        scale: Of the reference series.
        data_range: In its place, for what compares with the reference.
        noisy: Name of what the results were made from; ``""`` where it is not known.
    """

    reference: Stack
    results: Mapping[str, Stack]
    mask: Stack | None
    regions: tuple[int, ...]
    metrics: Mapping[str, str]
    convention: Convention
    windows: Mapping[str, tuple[float, float]]
    modality: str
    spacing: tuple[float, float]
    scale: float
    data_range: float | None = None
    noisy: str = ""

    def range_of(self, region: str) -> float:
        """What 1 means in a region."""
        if region in self.windows:
            low, high = self.windows[region]
            return high - low
        return self.data_range or self.convention.range_of(self.scale, self.reference.most)

    def figures(self, metric: Metric) -> list[str]:
        """The regions that a metric is told in."""
        marked = [f"{MASK} {number}" for number in self.regions] if len(self.regions) > 1 else []
        both = [f"{MASK} {one}/{other}" for one, other in combinations(self.regions, 2)]
        known = {
            "image": [IMAGE],
            "body": [BODY],
            "mask": [MASK, *marked] if self.regions else [],
            "window": list(self.windows),
            "two": both,
        }
        return [region for kind in metric.regions.split() for region in known[kind]]


def measure(task: tuple[Measuring, range]) -> Parts:
    """What some slices add.

    Raises:
        DataError: An image holds what is no number.
    """
    asked, places = task
    metrics = {name: METRICS.make(spec) for name, spec in asked.metrics.items()}
    found: Parts = defaultdict(list)
    reference, padding = asked.reference.part(places), asked.reference.padding(places)
    mask = asked.mask.part(places) if asked.mask else None
    results = {name: stack.part(places) for name, stack in asked.results.items()}
    for place in range(len(places)):
        marks = np.array(padding[place]) if padding is not None else np.zeros(1, bool)
        slices = {name: _shown(stack[place], marks) for name, stack in results.items()}
        seen = _Slice(asked, _shown(reference[place], marks), slices, ~marks)
        masks = seen.masks(None if mask is None else np.array(mask[place]))
        for figure, part in seen.parts(metrics, masks):
            found[figure].append(part)
    return dict(found)


def regions_of(mask: Stack, most: int) -> tuple[int, ...]:
    """The numbers in a mask, without 0.

    Raises:
        NoRegions: It holds others than so many whole numbers, as an image does.
    """
    numbers: set[float] = set()
    for image in mask.values:
        numbers.update(map(float, np.unique(image)))
        if len(numbers) > most + 1 or any(number != int(number) for number in numbers):
            raise NoRegions(
                f"it holds other values than up to {most} whole numbers; expected 0 outside and a "
                "number for each region"
            )
    return tuple(sorted(int(number) for number in numbers - {0.0}))


@dataclass(frozen=True)
class _Slice:
    """A slice of a reference and of its results."""

    asked: Measuring
    reference: Image
    results: Mapping[str, Image]
    inside: Mask  # all that is no padding; of one element where there is none

    def masks(self, numbers: NDArray[Any] | None) -> dict[str, Any]:
        """Each region of this slice; None for the whole of it."""
        asked, padded = self.asked, not self.inside.all()
        whole = np.broadcast_to(self.inside, self.reference.shape) if padded else None
        masks: dict[str, Any] = dict.fromkeys((IMAGE, *asked.windows), whole)
        masks[BODY] = body_mask(self.reference, asked.modality) & self.inside
        if numbers is None:
            return masks
        numbers = np.where(self.inside, numbers, 0)
        masks[MASK] = numbers != 0
        for number in asked.regions:
            masks[f"{MASK} {number}"] = numbers == number
        for one, other in combinations(asked.regions, 2):
            masks[f"{MASK} {one}/{other}"] = (numbers == one) + 2 * (numbers == other)
        return masks

    def parts(
        self, metrics: Mapping[str, Metric], masks: Mapping[str, Any]
    ) -> Iterator[tuple[Figure, Part]]:
        """What it adds to each figure."""
        known: dict[tuple[Any, ...], tuple[Any, Any]] = {}
        for result in self.results:
            pairs: dict[str, Pair] = {}
            for name, metric in metrics.items():
                if metric.needs_noisy and result == self.asked.noisy:
                    continue
                for kind, regions in self._by_image(metric):
                    if kind not in pairs:
                        pairs[kind] = self._pair(kind, result, known)
                    parts = metric.parts(pairs[kind], [masks[region] for region in regions])
                    for region, part in zip(regions, parts, strict=True):
                        if part is not None:
                            yield Figure(result, name, region), part

    def _by_image(self, metric: Metric) -> Iterator[tuple[str, list[str]]]:
        """Which images a metric looks at, and in which regions of them."""
        regions = self.asked.figures(metric)
        for region in self.asked.windows:
            if region in regions:
                regions.remove(region)
                yield region, [region]
        if regions:
            yield (
                (
                    "noisy"
                    if metric.needs_noisy
                    else "scored"
                    if metric.needs_reference
                    else "plain"
                ),
                regions,
            )

    def _pair(self, kind: str, result: str, known: dict[Any, Any]) -> Pair:
        asked, image = self.asked, self.results[result]
        other = self.results[self.asked.noisy] if kind == "noisy" else self.reference
        data_range = asked.range_of(kind)
        if kind not in ("noisy", "plain"):
            how = window(*asked.windows[kind]) if kind in asked.windows else asked.convention
            image, other = (
                how.apply(one, self.reference, scale=asked.scale, maximum=asked.reference.most)
                for one in (image, other)
            )
        return Pair(image, other, data_range, asked.spacing, known)


def _shown(image: Image, padding: Mask) -> Image:
    """A slice in memory, without values that are no part of the image."""
    image = np.array(image)
    return visible(image, padding) if padding.any() else image
