"""Coincidences that a PET scanner expects along each line of response."""

from dataclasses import dataclass

from torch import Tensor

from medclean.physics.operators.blur import Blur
from medclean.physics.operators.radon import Radon


@dataclass(frozen=True, eq=False)
class PET:
    """``A x = a R B x``: point spread, parallel line integrals, attenuation.

    Scatter and randoms are not modelled: they add to ``A x`` and do not depend on the image here.

    Attributes:
        rays: Lines of response; parallel.
        point_spread: Of the scanner, in the image.
        attenuation: Factor of each line, 0 to 1, ``(V, C)``; None for none.
    """

    rays: Radon
    point_spread: Blur
    attenuation: Tensor | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Sinograms ``(N, 1, V, C)`` of activity ``(N, 1, H, W)``."""
        return self._attenuated(self.rays.forward(self.point_spread.forward(images)))

    def adjoint(self, data: Tensor) -> Tensor:
        """Images ``(N, 1, H, W)`` of sinograms ``(N, 1, V, C)``."""
        return self.point_spread.adjoint(self.rays.adjoint(self._attenuated(data)))

    def _attenuated(self, sinograms: Tensor) -> Tensor:
        return sinograms if self.attenuation is None else sinograms * self.attenuation
