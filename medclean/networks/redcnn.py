"""RED-CNN: convolutions and their mirror images (Chen et al., 2017)."""

from itertools import pairwise

from torch import nn

from medclean.networks.autoencoder import Autoencoder

HALF = 5  # convolutions, and as many transposed ones
SIZE = 5  # pixels along each side of a kernel


class REDCNN(Autoencoder):
    """An autoencoder whose convolutions have no padding.

    Args:
        width: Channels between.
    """

    def __init__(self, width: int = 96) -> None:
        ends = [1, *[width] * HALF]
        super().__init__(
            [nn.Conv2d(into, out, SIZE) for into, out in pairwise(ends)],
            [nn.ConvTranspose2d(into, out, SIZE) for into, out in pairwise(reversed(ends))],
            least=HALF * (SIZE - 1) + 1,
        )
