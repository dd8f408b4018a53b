"""Line integrals of an image along parallel or fan beams."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, hypot, pi, sqrt
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from medclean.physics.operators._base import Linear

CHUNK = 2**18  # samples at a time: enough to keep overhead small, and memory


class Crossings(NamedTuple):
    """Where some rays cross the rows of an image, all of them steeper than 45 degrees.

    Attributes:
        rays: Their places among all rays, ``(M,)``.
        left: The pixel to the left of each crossing, ``(H, M)``: its index in rows of ``W + 3``.
        share: Of the pixel to its right, ``(H, M)``.
        step: Length of a ray from row to row, ``(M,)``, in pixels.
    """

    rays: Tensor
    left: Tensor
    share: Tensor
    step: Tensor


@dataclass(frozen=True)
class Radon:
    """``(A x)(view, channel)``, the integral of ``x`` along one ray, in pixels times its unit.

    Joseph, IEEE Transactions on Medical Imaging 1 (1982): a ray is sampled where it crosses the
    rows of pixels, or the columns where it is flatter than 45 degrees, by linear interpolation.
    With x to the right and y up from the middle of the image, the parallel ray at offset ``s`` of
    a view is ``x cos(angle) + y sin(angle) = s``. In a fan, ``s`` is where the ray crosses the line
    through the isocentre that faces the source: with ``gamma = atan(s / source)`` it is the
    parallel ray of ``angle - gamma`` at offset ``s cos(gamma)``.

    Attributes:
        shape: ``(H, W)`` of the images; pixels are square.
        views: Number of angles, evenly over 180 degrees (parallel) or 360 (fan).
        pitch: Distance of channels, in pixels; in a fan, at the isocentre.
        source: Distance of the source from the isocentre, in pixels; None for parallel beams.
    """

    shape: tuple[int, int]
    views: int
    pitch: float = 1.0
    source: float | None = None

    def __post_init__(self) -> None:
        if self.views < 1 or not self.pitch > 0:
            raise ValueError(f"{self.views} views, pitch {self.pitch:g}; expected more than none")
        if self.source is not None and self.source <= self.reach:
            raise ValueError(
                f"source at {self.source:g} pixels, expected more than {self.reach:.0f}, "
                "the radius of the circle around the image"
            )

    @property
    def reach(self) -> float:
        """Radius of the circle around the image, in pixels."""
        return hypot(*self.shape) / 2

    @property
    def channels(self) -> int:
        """As many as see the whole image; an even number."""
        beyond = 1.0 if self.source is None else 1 / sqrt(1 - (self.reach / self.source) ** 2)
        return 2 * ceil(self.reach * beyond / self.pitch)

    @property
    def angles(self) -> Tensor:
        """Of the views, ``(V,)``, in radians."""
        turn = pi if self.source is None else 2 * pi
        return torch.arange(self.views, dtype=torch.float64) * (turn / self.views)

    @property
    def offsets(self) -> Tensor:
        """Of the channels from the middle of the detector, ``(C,)``, in pixels."""
        middle = (self.channels - 1) / 2
        return (torch.arange(self.channels, dtype=torch.float64) - middle) * self.pitch

    def forward(self, images: Tensor) -> Tensor:
        """Sinograms ``(N, 1, V, C)`` of images ``(N, 1, H, W)``, real, on their device."""
        return Linear.apply(images, self._project, self._spread)

    def adjoint(self, data: Tensor) -> Tensor:
        """Sinograms ``(N, 1, V, C)`` spread along their rays, ``(N, 1, H, W)``.

        The exact transpose, for solvers; an inverse by formula is ``fbp``.
        """
        return Linear.apply(data, self._spread, self._project)

    def _project(self, images: Tensor) -> Tensor:
        planes = images[:, 0]
        sums = images.new_empty((len(images), self.views * self.channels))
        for steep, across in ((True, planes), (False, planes.mT)):
            pixels = pad(across, (1, 2)).flatten(1)
            for rays, left, share, step in self._crossings(steep, images):
                near = pixels.index_select(1, left.flatten())
                far = pixels.index_select(1, left.flatten() + 1)
                values = torch.lerp(near, far, share.flatten())
                sums[:, rays] = values.view(len(images), *left.shape).sum(1) * step
        return sums.view(-1, 1, self.views, self.channels)

    def _spread(self, data: Tensor) -> Tensor:
        values = data.flatten(1)
        planes = []
        for steep, (rows, columns) in ((True, self.shape), (False, self.shape[::-1])):
            pixels = data.new_zeros((len(data), rows * (columns + 3)))
            for rays, left, share, step in self._crossings(steep, data):
                value = (values[:, rays] * step)[:, None]
                place = left.flatten().long().expand(len(data), -1)
                pixels.scatter_add_(1, place, (value * (1 - share)).flatten(1))
                pixels.scatter_add_(1, place + 1, (value * share).flatten(1))
            planes.append(pixels.view(-1, rows, columns + 3)[..., 1:-2])
        return (planes[0] + planes[1].mT)[:, None]

    def _crossings(self, steep: bool, like: Tensor) -> Iterator[Crossings]:
        """All steep rays, or all others as the transposed image's rows see them."""
        angles, offsets = (part.flatten() for part in self._rays())
        cosine, sine = angles.cos(), angles.sin()
        (rows, columns), chosen = self.shape, cosine.abs() >= sine.abs()
        if not steep:
            cosine, sine, rows, columns, chosen = -sine, -cosine, columns, rows, ~chosen
        slope = sine / cosine
        start = offsets / cosine + (columns + 1) / 2 - slope * (rows - 1) / 2
        row = torch.arange(rows, device=like.device)[:, None]
        for rays in chosen.nonzero()[:, 0].split(max(1, CHUNK // rows)):
            begin, tilt, step = (part[rays].to(like) for part in (start, slope, 1 / cosine.abs()))
            place = (begin + tilt * row).clamp(0, columns + 1)
            whole = place.floor()
            left = whole.to(torch.int32) + (row * (columns + 3)).to(torch.int32)
            yield Crossings(rays.to(like.device), left, place - whole, step)

    def _rays(self) -> tuple[Tensor, Tensor]:
        """Angle and offset of each ray, ``(V, C)``."""
        angles, offsets = self.angles[:, None], self.offsets[None]
        if self.source is not None:
            gamma = torch.atan(offsets / self.source)
            angles, offsets = angles - gamma, offsets * gamma.cos()
        return torch.broadcast_tensors(angles, offsets)
