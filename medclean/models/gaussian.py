"""Gaussian blur within each slice."""

from dataclasses import dataclass

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from medclean.models._base import Model
from medclean.volume import Given

REACH = 4  # sigmas at which the kernel is cut off


class Gaussian(Model):
    """The oldest filter: less noise for less detail."""

    @dataclass(frozen=True)
    class Options:
        """The kernel.

        Attributes:
            sigma: Standard deviation of the kernel in pixels.
        """

        sigma: float = 1.0

        def __post_init__(self) -> None:
            if not self.sigma > 0:
                raise ValueError(f"sigma is {self.sigma:g} pixels, expected more than 0")

    kind = "filter"
    scope = "slice"
    context = 1
    stride = 1
    in_units = True
    wants_scale = False
    code = "113088"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.receptive_field = 2 * int(REACH * options.sigma + 0.5) + 1

    def forward(self, images: Tensor, given: Given) -> Tensor:
        sigma = self.options.sigma
        blurred = gaussian_filter(images.cpu().numpy(), sigma, axes=(2, 3), truncate=REACH)
        return torch.from_numpy(blurred).to(images.device)


PROVIDES = Gaussian
