"""Dense blocks that all see the ones before (Tong et al., 2017), without enlargement."""

import torch
from torch import Tensor, nn


class SRDenseNet(nn.Module):
    """Blocks whose features are all kept, and joined at last: ``(N, 1, H, W)`` to the same.

    The first convolution of a block sees all that came before it, the others what their own block
    has made: so the counts of weights come out that are published.

    Args:
        blocks: Dense blocks.
        layers: Convolutions in each.
        growth: Channels that each convolution adds.
        bottleneck: Channels that all are brought down to before the last convolution.
    """

    def __init__(self, *, blocks: int, layers: int, growth: int, bottleneck: int) -> None:
        super().__init__()
        width = growth * layers  # of what a block adds, and of what the first one begins with
        self.enter = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(inplace=True))
        self.blocks = nn.ModuleList(
            DenseBlock(width * (block + 1), layers, growth) for block in range(blocks)
        )
        self.leave = nn.Sequential(
            nn.Conv2d(width * (blocks + 1), bottleneck, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(bottleneck, 1, 3, padding=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        features = self.enter(images)
        for block in self.blocks:
            features = torch.cat([features, block(features)], dim=1)
        denoised: Tensor = self.leave(features)
        return denoised


class DenseBlock(nn.Module):
    """``(N, into, H, W)`` to ``(N, layers * growth, H, W)``."""

    def __init__(self, into: int, layers: int, growth: int) -> None:
        super().__init__()
        widths = [into, *(growth * (layer + 1) for layer in range(layers - 1))]
        self.layers = nn.ModuleList(nn.Conv2d(width, growth, 3, padding=1) for width in widths)

    def forward(self, features: Tensor) -> Tensor:
        first, *others = self.layers
        made: Tensor = first(features).relu()
        for layer in others:
            made = torch.cat([made, layer(made).relu()], dim=1)
        return made
