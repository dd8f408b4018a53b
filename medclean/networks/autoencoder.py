"""Layers that encode and as many that decode, with skips between."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


class Autoencoder(nn.Module):
    """``(N, 1, H, W)`` to the same: each second map on the way in is added on the way out.

    The image itself is the first of these. What comes out last may be negative, as noise is.

    Args:
        encode: Layers that may make an image smaller.
        decode: As many that bring its size back.
        least: Pixels along a side that the first ones need; a smaller image is replicated at its
            rim.
    """

    def __init__(
        self, encode: Sequence[nn.Module], decode: Sequence[nn.Module], *, least: int
    ) -> None:
        super().__init__()
        self.encode, self.decode = nn.ModuleList(encode), nn.ModuleList(decode)
        self.least = least

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        down, right = max(0, self.least - height), max(0, self.least - width)
        features = pad(images, (0, right, 0, down), "replicate") if down or right else images
        across: list[Tensor] = []
        for layer, encode in enumerate(self.encode):
            if layer % 2 == 0:
                across.append(features)
            features = encode(features).relu()
        for layer, decode in enumerate(self.decode):
            features = decode(features)
            if layer % 2 == 0:
                features = features + across.pop()
            if layer < len(self.decode) - 1:
                features = torch.relu(features)
        return features[..., :height, :width]
