"""Divide by the bias field of the coils (MR)."""

from dataclasses import dataclass
from typing import Any

from medclean.volume import Given


@dataclass(frozen=True)
class N4:
    """The unit and the scale stay; without a known field nothing changes.

    The field comes from ``preprocess.bias``, by the N4 of Tustison et al. (2010).
    """

    def forward(self, images: Any, given: Given) -> tuple[Any, Given]:
        """Even out the sensitivity of the coils.

        Args:
            images: numpy or torch, any shape that ``given.bias`` broadcasts to.
            given: With the field; sigma becomes that where the field is 1.

        Returns:
            Images of the same shape, and what is known of them.
        """
        return (images if given.bias is None else images / given.bias), given

    def inverse(self, images: Any, given: Given, source: Any = None) -> Any:
        """Back to what the coils saw; ``given`` is what went into ``forward``."""
        return images if given.bias is None else images * given.bias


PROVIDES = N4
