"""HU from -1000 to 3000 onto 0 to 1 (CT)."""

from dataclasses import dataclass, replace
from typing import Any

from medclean.volume import CT_SCALE, Given

LOW, HIGH = -1000.0, CT_SCALE - 1000.0  # HU


@dataclass(frozen=True)
class CT:
    """Clips at air and at dense bone; what lies outside is the source's again afterwards."""

    def forward(self, images: Any, given: Given) -> tuple[Any, Given]:
        """HU to the network's units.

        Args:
            images: numpy or torch, any shape, in HU.
            given: In HU.

        Returns:
            Images of the same shape, and what is known of them in their new unit.
        """
        known = replace(given.times(1 / CT_SCALE), scale=1.0)
        return (images.clip(LOW, HIGH) - LOW) / CT_SCALE, known

    def inverse(self, images: Any, given: Given, source: Any = None) -> Any:
        """Back to HU; ``source``, if given, is what went into ``forward``.

        Where the source lies outside the clip its value is kept: a network never saw it. Half of
        the noise of air therefore stays.
        """
        restored = images * CT_SCALE + LOW
        if source is None:
            return restored
        seen = source == source.clip(LOW, HIGH)
        return restored * seen + source * ~seen


PROVIDES = CT
