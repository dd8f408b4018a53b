"""Median filter within each slice."""

from dataclasses import dataclass

from scipy.ndimage import median_filter

from medclean.models._filter import Filter
from medclean.volume import Given, Image


class Median(Filter):
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
    wants_scale = False
    code = "113087"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.receptive_field = options.size

    def denoise(self, images: Image, given: Given) -> Image:
        return median_filter(images, self.options.size, axes=(2, 3))


PROVIDES = Median
