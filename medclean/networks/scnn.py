"""A shrinkage network: what counts as noise is told by its level (Isogawa et al., 2018)."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import relu


class SCNN(nn.Module):
    """Convolutions with soft thresholds between, which grow with the noise.

    Takes ``(N, 1, H, W)`` and a level for all or one for each image, in the images' unit.

    Args:
        depth: Convolutions.
        width: Channels between them.
    """

    def __init__(self, *, depth: int = 22, width: int = 64) -> None:
        super().__init__()
        ends = [1, *[width] * (depth - 1), 1]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(into, out, 3, padding=1) for into, out in pairwise(ends)
        )
        self.thresholds = nn.ParameterList(
            torch.full((1, width, 1, 1), 0.1) for _ in range(depth - 1)
        )
        for convolution in self.convolutions:
            nn.init.orthogonal_(convolution.weight)  # type: ignore[arg-type]  # of a Conv2d
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]  # likewise

    def forward(self, images: Tensor, sigma: Tensor) -> Tensor:
        features = images
        for layer, convolution in enumerate(self.convolutions):
            features = convolution(features)
            if layer < len(self.thresholds):
                features = shrunk(features, self.thresholds[layer] * sigma)
        return features


def shrunk(values: Tensor, threshold: Tensor) -> Tensor:
    """Soft threshold: nearer to 0 by so much, and not beyond it."""
    threshold = threshold.abs()
    return relu(values - threshold) - relu(-values - threshold)
