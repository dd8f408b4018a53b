"""The quadratic autoencoder: neurons of second order (Fan et al., 2020)."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

from torch import Tensor, nn

from medclean.networks.autoencoder import Autoencoder

HALF = 5  # layers that encode, and as many that decode
SIZE = 3  # pixels along each side of a kernel: so in the authors' code, 5 in its description


class QuadraticAutoencoder(Autoencoder):
    """An autoencoder of quadratic layers, of which the two in the middle have no padding.

    Args:
        width: Channels between.
    """

    def __init__(self, width: int = 15) -> None:
        ends = [1, *[width] * HALF]
        ways = (pairwise(ends), nn.Conv2d, HALF - 1), (pairwise(ends[::-1]), nn.ConvTranspose2d, 0)
        encode, decode = (
            [
                Quadratic(partial(layer, into, out, SIZE, padding=int(place != middle)))
                for place, (into, out) in enumerate(widths)
            ]
            for widths, layer, middle in ways
        )
        super().__init__(encode, decode, least=SIZE)


class Quadratic(nn.Module):
    """``(w_r * x + b_r)(w_g * x + b_g) + w_b * x^2 + c``: starts as the linear layer ``w_r``.

    With ``w_g`` drawn too, training diverges.

    Args:
        layer: Makes one of the three convolutions.
    """

    def __init__(self, layer: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.r, self.g, self.b = (layer() for _ in range(3))
        for parameter in self.parameters():
            nn.init.zeros_(parameter)
        nn.init.trunc_normal_(self.r.get_parameter("weight"), std=0.1)
        nn.init.ones_(self.g.get_parameter("bias"))

    def forward(self, features: Tensor) -> Tensor:
        change: Tensor = self.r(features) * self.g(features) + self.b(features.square())
        return change
