"""ADNet: a sparse stack of convolutions whose result an attention weighs (Tian et al., 2020)."""

import torch
from torch import Tensor, nn

from medclean.networks.norms import Norm, norm_of

DILATED = (2, 5, 9, 12)  # layers, from 1 on, that see twice as far
DEPTH = 16


class ADNet(nn.Module):
    """Predicts the noise of an image: ``(N, 1, H, W)`` to the same, any H and W.

    Args:
        width: Channels between the convolutions.
        norm: After each but the last.
    """

    def __init__(self, width: int = 64, norm: Norm = "batch") -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for layer in range(1, DEPTH):
            reach = 2 if layer in DILATED else 1
            into = width if layer > 1 else 1
            convolution = nn.Conv2d(into, width, 3, padding=reach, dilation=reach, bias=False)
            layers += [convolution, norm_of(norm, width), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers, nn.Conv2d(width, 1, 3, padding=1, bias=False))
        self.weigh = nn.Conv2d(2, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        features = self.features(images)
        noise: Tensor = self.weigh(torch.cat([images, features], dim=1).tanh()) * features
        return noise
