"""A Gaussian point spread."""

from dataclasses import dataclass
from math import ceil, log, sqrt

import torch
from torch import Tensor
from torch.nn.functional import conv2d

FWHM = 2 * sqrt(2 * log(2))  # of a Gaussian, in standard deviations


@dataclass(frozen=True)
class Blur:
    """Convolution with a sampled Gaussian of sum 1; outside the image is nothing.

    The kernel is even, so the operator is its own adjoint.

    Attributes:
        fwhm: Full width at half maximum over rows and over columns, in pixels; 0 for none.
    """

    fwhm: tuple[float, float]

    def forward(self, images: Tensor) -> Tensor:
        """Blurred images ``(N, 1, H, W)``."""
        down, across = (kernel(width).to(images) for width in self.fwhm)
        tall = conv2d(images, down.view(1, 1, -1, 1), padding="same")
        return conv2d(tall, across.view(1, 1, 1, -1), padding="same")

    def adjoint(self, data: Tensor) -> Tensor:
        """The same."""
        return self.forward(data)


def kernel(fwhm: float) -> Tensor:
    """A Gaussian sampled to four standard deviations on either side, sum 1, ``(K,)``, float64."""
    sigma = max(fwhm / FWHM, 1e-6)
    reach = ceil(4 * sigma)
    place = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weights = torch.exp(-((place / sigma) ** 2) / 2)
    return weights / weights.sum()
