"""Anisotropic diffusion within each slice (Perona and Malik, 1990)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from medclean.models._base import Model
from medclean.models._told import Told
from medclean.volume import Given


class ADF(Model):
    """Evens out what is no edge: pixels flow into each other, the less the more they differ.

    Four neighbours, conductance ``1 / (1 + (d / K)^2)`` of the difference ``d`` to each, and none
    across the border. SimpleITK's filter of that name relates K to the mean gradient of the whole
    image; here it is a multiple of the noise level, so that tiles give what the slice gives.
    """

    @dataclass(frozen=True)
    class Options(Told):
        """How much is taken for noise, and how long pixels flow.

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
            if self.iterations < 1:
                raise ValueError(f"iterations is {self.iterations}, expected at least 1")
            if not 0 < self.dt <= 0.25:  # beyond, four neighbours make a pixel overshoot
                raise ValueError(f"dt is {self.dt:g}, expected above 0 and up to 0.25")

    kind = "filter"
    scope = "slice"
    context = 1
    stride = 1
    wants_sigma = True
    in_units = True
    code = "113087"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.wants_sigma = options.sigma is None
        self.receptive_field = 2 * options.iterations + 1

    def forward(self, images: Tensor, given: Given) -> Tensor:
        level = torch.as_tensor(self.options.level(given, "adf"), dtype=images.dtype)
        squared = (self.options.kappa * level.to(images.device)).square()
        for _ in range(self.options.iterations):
            rows, columns = (_flow(images, axis, squared) for axis in (2, 3))
            images = images + self.options.dt * (rows + columns)
        return images


def _flow(images: Tensor, axis: int, squared: Tensor) -> Tensor:
    """What each pixel gains along an axis; ``squared`` is K^2, and where it is 0 nothing flows."""
    step = images.diff(dim=axis)
    flux = step * squared / (squared + step.square()).clamp(min=torch.finfo(step.dtype).tiny)
    ends = (0, 0, 1, 1) if axis == 2 else (1, 1)
    return pad(flux, ends).diff(dim=axis)


PROVIDES = ADF
