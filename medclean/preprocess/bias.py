"""The bias field of an MR volume: how much brighter it is here than there because of its coils."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medclean.physics.signal.body import body_mask
from medclean.preprocess.resample import sampler
from medclean.preprocess.stack import Affine, Stack, slabs, spacing_of
from medclean.volume import Image

SIDE = 4.0  # mm, of the blocks of voxels that are averaged before the field is estimated
ITERATIONS = (50, 50, 50)  # at each level, of twice as many control points as the one before
LEAST = 4  # voxels along an axis that a field may vary along


@dataclass(frozen=True, eq=False)
class Field:
    """A field that is known on a coarse grid, with the same corners as the fine one.

    Attributes:
        log: Its logarithm, ``(slices, rows, columns)``, 0 on average over the body.
        steps: How many voxels of the volume one of the field is, along each axis.
        shape: Of the volume.
    """

    log: Image
    steps: tuple[int, int, int]
    shape: tuple[int, int, int]

    def slab(self, start: int, stop: int) -> Image:
        """What the volume was multiplied by, from one slice up to another."""
        across, down, along = self._matrices
        logs = np.tensordot(across[start:stop], self.log, 1)
        return np.exp(np.stack([down @ log @ along.T for log in logs])).astype(np.float32)

    def affine(self, fine: Affine) -> Affine:
        """Where its voxels lie, told where those of the volume do."""
        change = np.diag([*self.steps, 1.0])
        change[:3, 3] = (np.array(self.steps) - 1) / 2
        return fine @ change

    @cached_property
    def _matrices(self) -> tuple[NDArray[np.float64], ...]:
        sides = zip(self.shape, self.log.shape, self.steps, strict=True)
        return tuple(
            sampler(coarse, (np.arange(fine) - (step - 1) / 2) / step)
            for fine, coarse, step in sides
        )


def estimate(
    stack: Stack, *, in_time: bool = False, check: Callable[[], object] = lambda: None
) -> Field:
    """The field by N4 (Tustison et al. 2010), on blocks of voxels inside the body.

    Args:
        stack: An MR volume.
        in_time: Its slices show one place, which has one field.
        check: Called with each slab that is read.
    """
    steps = _steps(stack, in_time=in_time)
    coarse = _averaged(stack, steps, check)
    mask = np.stack([body_mask(image, "MR") for image in coarse]) & (coarse > 0)
    log = np.zeros(coarse.shape, np.float32)
    if mask.any():
        spacing = [side * step for side, step in zip(spacing_of(stack.affine), steps, strict=True)]
        log = _n4(coarse, mask, spacing)
        log -= log[mask].mean()
    return Field(log, steps, stack.shape)


def _steps(stack: Stack, *, in_time: bool) -> tuple[int, int, int]:
    """How many voxels make a block."""
    sides = zip(stack.shape, spacing_of(stack.affine), strict=True)
    slices, rows, columns = (min(side, max(1, round(SIDE / mm))) for side, mm in sides)
    return stack.shape[0] if in_time else slices, rows, columns


def _averaged(stack: Stack, steps: tuple[int, int, int], check: Callable[[], object]) -> Image:
    """Means of blocks; those at the far ends may hold fewer voxels."""
    shape = tuple(-(-side // step) for side, step in zip(stack.shape, steps, strict=True))
    total = np.zeros(shape, np.float64)
    count = np.zeros(shape[0], np.float64)
    for start, images in slabs(stack):
        check()
        for place, image in enumerate(images, start):
            total[place // steps[0]] += _blocks(image, steps[1:])
            count[place // steps[0]] += 1
    return (total / count[:, None, None]).astype(np.float32)


def _blocks(image: Image, steps: tuple[int, int]) -> NDArray[np.float64]:
    starts = [np.arange(0, side, step) for side, step in zip(image.shape, steps, strict=True)]
    sums = np.add.reduceat(np.add.reduceat(image.astype(np.float64), starts[0], 0), starts[1], 1)
    sizes = [
        np.diff(np.append(start, side)) for start, side in zip(starts, image.shape, strict=True)
    ]
    return sums / np.outer(*sizes)


def _n4(image: Image, mask: NDArray[np.bool_], spacing: list[float]) -> Image:
    """The logarithm of the field; it does not vary along an axis that is too short for that."""
    import SimpleITK  # takes a moment, and nothing else needs it

    depth = len(image)
    flat = depth < LEAST
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # several round differently
    if flat:  # the mean of few slices, in two dimensions
        weights = mask.sum(axis=0)
        image = np.where(mask, image, 0).sum(axis=0) / np.maximum(weights, 1)
        mask, spacing = weights > 0, spacing[1:]
    picture = SimpleITK.GetImageFromArray(image.astype(np.float32))
    picture.SetSpacing([float(side) for side in reversed(spacing)])
    where = SimpleITK.GetImageFromArray(mask.astype(np.uint8))
    where.CopyInformation(picture)
    n4 = SimpleITK.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(ITERATIONS)
    n4.Execute(picture, where)
    log = SimpleITK.GetArrayFromImage(n4.GetLogBiasFieldAsImage(picture)).astype(np.float32)
    return np.repeat(log[None], depth, 0) if flat else log
