"""Median filter within each slice."""

from dataclasses import dataclass

import torch
from scipy.ndimage import median_filter
from torch import Tensor

from medclean.models._base import Model
from medclean.volume import Given


class Median(Model):
    """Removes single outliers and keeps straight edges."""

    @dataclass(frozen=True)
    class Options:
        """The window.

        Attributes:
            size: Side of the window in pixels, an odd number.
        """

        size: int = 3

        def __post_init__(self) -> None:
            if self.size < 1 or self.size % 2 == 0:
                raise ValueError(f"size is {self.size} pixels, expected an odd number")

    kind = "filter"
    scope = "slice"
    context = 1
    stride = 1
    in_units = True
    wants_scale = False
    code = "113087"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.receptive_field = options.size

    def forward(self, images: Tensor, given: Given) -> Tensor:
        filtered = median_filter(images.cpu().numpy(), self.options.size, axes=(2, 3))
        return torch.from_numpy(filtered).to(images.device)


PROVIDES = Median
