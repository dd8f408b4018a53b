"""Anisotropic diffusion within each slice (Perona and Malik, 1990)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medclean.models._filter import Filter
from medclean.models._told import Told
from medclean.options import check_counts
from medclean.volume import Given, Image


class ADF(Filter):
    """Evens out what is no edge: pixels flow into each other, the less the more they differ.

    Four neighbours, conductance ``1 / (1 + (d / K)^2)`` of the difference ``d`` to each, and none
    across the border. SimpleITK's filter of that name relates K to the mean gradient of the whole
    image; here it is a multiple of the noise level, so that tiles give what the slice gives.
    """

    @dataclass(frozen=True)
    class Options(Told):
        """What is taken for noise, and how long pixels flow.

        Attributes:
            kappa: Difference at which conductance is halved, in sigma.
            iterations: Steps of the flow.
            dt: Length of a step, up to 0.25.
        """

        kappa: float = 0.6
        iterations: int = 20
        dt: float = 0.2

        def __post_init__(self) -> None:
            super().__post_init__()
            if not self.kappa > 0:
                raise ValueError(f"kappa is {self.kappa:g}, expected more than 0")
            check_counts(self)
            if not 0 < self.dt <= 0.25:  # beyond, four neighbours make a pixel overshoot
                raise ValueError(f"dt is {self.dt:g}, expected above 0 and up to 0.25")

    kind = "filter"
    scope = "slice"
    wants_sigma = True
    code = "113087"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.wants_sigma = options.sigma is None
        self.receptive_field = 2 * options.iterations + 1

    def denoise(self, images: Image, given: Given) -> Image:
        return self.options.each_slice(images, given, name="adf", remove=self._removed)

    def _removed(self, image: NDArray[Any], sigma: float) -> NDArray[Any]:
        flat = (self.options.kappa * sigma) ** 2
        for _ in range(self.options.iterations):
            image = image + self.options.dt * (_flow(image, 0, flat) + _flow(image, 1, flat))
        return image


def _flow(image: NDArray[Any], axis: int, flat: float) -> NDArray[Any]:
    """What each pixel gains along an axis; ``flat`` is the square of K."""
    step = np.diff(image, axis=axis)
    flux = step * (flat / (flat + step**2))
    ends = [(1, 1) if axis == side else (0, 0) for side in (0, 1)]
    return np.diff(np.pad(flux, ends), axis=axis)


PROVIDES = ADF
