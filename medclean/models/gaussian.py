"""Gaussian blur within each slice."""

from dataclasses import dataclass

from scipy.ndimage import gaussian_filter

from medclean.models._filter import Filter
from medclean.volume import Given, Image

REACH = 4  # sigmas at which the kernel is cut off


class Gaussian(Filter):
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
    wants_scale = False
    code = "113088"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.receptive_field = 2 * int(REACH * options.sigma + 0.5) + 1

    def denoise(self, images: Image, given: Given) -> Image:
        sigma = self.options.sigma
        return gaussian_filter(images, sigma, axes=(2, 3), truncate=REACH)


PROVIDES = Gaussian
