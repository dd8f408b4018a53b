"""What undersampling leaves beside images: masks, sampled k-space, a picture of each."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medclean.archive import npy
from medclean.archive.series import Series
from medclean.pipelines import _pictures
from medclean.pipelines._output import Output
from medclean.volume import Mask

if TYPE_CHECKING:
    from medclean.pipelines._undersampling import Undersampling

Keep: TypeAlias = Callable[[int, int, NDArray[Any]], None]
"""Takes the index of a group, the place of a slice in it, and that slice with those behind it."""

CONVENTION = {
    "dtype": "complex64",
    "norm": "ortho",
    "origin": "n // 2 of each axis, of k-space and of images",
    "scale": 1.0,
}


class Traces:
    """Those of a series: a mask for each shape, a k-space for each group.

    Args:
        how: What is sampled.
        series: The series.
        output: Where all of it is staged.
    """

    def __init__(self, how: "Undersampling", series: Series, output: Output) -> None:
        self.how, self.series, self.output = how, series, output
        self.mask = cache(self._mask)

    def shape(self, group: int) -> tuple[int, ...]:
        """Of what has a k-space: a slice, or a volume."""
        found = self.series.groups[group]
        whole = (len(found.frames), *found.shape)
        return whole if self.how.whole else found.shape

    def path(self, group: int) -> str:
        """Where the k-space of a group lies."""
        return self.how.layout.beside("kspace", self.series.key, str(group + 1))

    def there(self, group: int) -> bool:
        """Whether all of a group is staged, images and k-space."""
        frames = self.series.groups[group].frames
        known = self.output.holds(self.path(group))
        return known and all(self.output.has(frame.instance) for frame in frames)

    @contextmanager
    def kept(self) -> Iterator[Keep]:
        """Takes what was sampled: group by group, all slices of it in order.

        The file of a group is staged when the next one begins, or when the block ends.
        """
        with ExitStack() as opened:
            files: list[npy.Growing] = []

            def keep(group: int, first: int, sampled: NDArray[Any]) -> None:
                if first == 0:
                    opened.close()
                    shape = (len(self.series.groups[group].frames), *sampled.shape[1:])
                    files[:] = [opened.enter_context(self.output.array(self.path(group), shape))]
                files[0].append(sampled)
                self._draw(group, first, sampled)

            yield keep

    def _draw(self, group: int, first: int, sampled: NDArray[Any]) -> None:
        """Stage a picture of the middle of a group, if these slices have it."""
        middle = len(self.series.groups[group].frames) // 2 - first
        if 0 <= middle < len(sampled):
            plane = sampled[middle].reshape(-1, *sampled.shape[-2:])
            magnitude = np.sqrt(np.square(np.abs(plane)).sum(0))
            picture = _pictures.of_kspace(magnitude)
            self.output.stage(_picture(self.path(group)), picture)

    def facts(self, axes: Sequence[str], zero: float) -> dict[str, Any]:
        """What the manifest says: conventions, how much was sampled, which file is what.

        Args:
            axes: Of the k-space that were transformed.
            zero: What was taken from images first, in their unit: the value of no signal.
        """
        arrays = [self._array(number) for number in range(len(self.series.groups))]
        return {
            "asked": self.how.ratio,
            "measured": float(np.mean([array["ratio"] for array in arrays])),
            "fft": {**CONVENTION, "axes": list(axes), "unit": self.series.unit, "zero": zero},
            "arrays": arrays,
        }

    def _array(self, group: int) -> dict[str, Any]:
        frames, shape = self.series.groups[group].frames, self.shape(group)
        return {
            "kspace": self.path(group),
            "mask": self._mask_path(shape),
            "ratio": float(self.mask(shape).mean()),
            "slices": [[self.series.instances[f.instance].name, f.number] for f in frames],
        }

    def _mask(self, shape: tuple[int, ...]) -> Mask:
        """What is sampled of this shape; it is staged too."""
        mask, path = self.how.mask(self.series, shape), self._mask_path(shape)
        self.output.stage(path, npy.whole(mask))
        self.output.stage(_picture(path), _pictures.of_mask(mask))
        return mask

    def _mask_path(self, shape: tuple[int, ...]) -> str:
        return self.how.layout.beside("mask", self.series.key, "x".join(map(str, shape)))


def _picture(path: str) -> str:
    return f"{path.removesuffix('.npy')}.png"
