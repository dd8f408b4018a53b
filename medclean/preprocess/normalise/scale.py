"""Divide by the scale of the series (MR, PET)."""

from dataclasses import dataclass, replace
from typing import Any

from medclean.volume import Given


@dataclass(frozen=True)
class Scale:
    """1 becomes the robust maximum of the series; nothing is clipped, zero stays zero."""

    def forward(self, images: Any, given: Given) -> tuple[Any, Given]:
        """Real-world units to the network's.

        Args:
            images: numpy or torch, any shape that ``given.scale`` broadcasts to.
            given: In the unit of the images.

        Returns:
            Images of the same shape, and what is known of them in their new unit.
        """
        known = replace(given.times(1 / given.scale), scale=given.scale / given.scale)
        return images / given.scale, known

    def inverse(self, images: Any, given: Given, source: Any = None) -> Any:
        """Back to the units of ``given``, which is what went into ``forward``."""
        return images * given.scale


PROVIDES = Scale
