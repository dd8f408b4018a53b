"""HU from -1000 to 3000, or a named window, onto 0 to 1 (CT)."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from medclean.preprocess.normalise._outside import kept
from medclean.volume import CT_SCALE, Given

LOW, HIGH = -1000.0, CT_SCALE - 1000.0  # HU
WINDOWS = {  # lowest and highest HU that are told apart
    "full": (LOW, HIGH),
    "brain": (0.0, 80.0),  # centre 40, width 80
    "lung": (-1350.0, 150.0),  # -600, 1500
    "bone": (-500.0, 1300.0),  # 400, 1800
    "soft": (-160.0, 240.0),  # 40, 400
    "liver": (-45.0, 105.0),  # 30, 150
}


@dataclass(frozen=True)
class CT:
    """Clips at the ends of a window; what lies outside is the source's again afterwards.

    Attributes:
        window: full (air to dense bone), brain, lung, bone, soft or liver.
    """

    window: Literal["full", "brain", "lung", "bone", "soft", "liver"] = "full"

    def forward(self, images: Any, given: Given) -> tuple[Any, Given]:
        """HU to the network's units.

        Args:
            images: numpy or torch, any shape, in HU.
            given: In HU.

        Returns:
            Images of the same shape, and what is known of them in their new unit.
        """
        low, high = WINDOWS[self.window]
        known = replace(given.times(1 / (high - low)), scale=1.0)
        return (images.clip(low, high) - low) / (high - low), known

    def inverse(self, images: Any, given: Given, source: Any = None) -> Any:
        """Back to HU; ``source``, if given, is what went into ``forward``.

        Where the source lies outside the clip its value is kept: a network never saw it. Half of
        the noise of air therefore stays.
        """
        low, high = WINDOWS[self.window]
        return kept(images * (high - low) + low, source, low, high)


PROVIDES = CT
