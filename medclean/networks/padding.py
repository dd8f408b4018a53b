"""Any height and width for networks that halve images."""

from torch import Tensor
from torch.nn.functional import pad


def pad_to_multiple(images: Tensor, stride: int) -> Tensor:
    """Images ``(N, C, H, W)`` grown at the bottom and the right to multiples of a stride.

    Reflects; replicates along a side that is too short to be reflected. The caller crops back.
    """
    down, right = (-side % stride for side in images.shape[-2:])
    for amounts, side in (((0, 0, 0, down), -2), ((0, right, 0, 0), -1)):
        if any(amounts):
            reflects = max(amounts) < images.shape[side]
            images = pad(images, amounts, "reflect" if reflects else "replicate")
    return images
