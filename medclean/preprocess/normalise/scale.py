"""Divide by the scale of the series (MR, PET)."""

from dataclasses import dataclass, replace
from typing import Any

from medclean.preprocess.normalise._outside import kept
from medclean.volume import Given

MOST = 4.0  # one pixel beyond costs a network that pools over slices several dB in all of its slice


@dataclass(frozen=True)
class Scale:
    """1 becomes the robust maximum of the series, zero stays zero.

    Clips at four times the scale, either side of 0; what lies outside is the source's again
    afterwards.
    """

    def forward(self, images: Any, given: Given) -> tuple[Any, Given]:
        """Real-world units to the network's.

        Args:
            images: numpy or torch, any shape that ``given.scale`` broadcasts to.
            given: In the unit of the images.

        Returns:
            Images of the same shape, and what is known of them in their new unit.
        """
        known = replace(given.times(1 / given.scale), scale=given.scale / given.scale)
        return (images / given.scale).clip(-MOST, MOST), known

    def inverse(self, images: Any, given: Given, source: Any = None) -> Any:
        """Back to the units of ``given``; ``source``, if given, is what went into ``forward``.

        Where the source lies outside the clip its value is kept.
        """
        most = MOST * given.scale
        return kept(images * given.scale, source, -most, most)


PROVIDES = Scale
