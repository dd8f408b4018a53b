"""Pixel by pixel: how far a denoised image is from the clean one."""

import torch
from torch import Tensor


def l1(denoised: Tensor, clean: Tensor) -> Tensor:
    """Absolute difference, averaged over each image: ``(N, C, H, W)`` twice to ``(N,)``."""
    return (denoised - clean).abs().mean((1, 2, 3))


def charbonnier(denoised: Tensor, clean: Tensor, *, epsilon: float = 1e-3) -> Tensor:
    """``sqrt(d^2 + epsilon^2)``, averaged over each image: ``(N, C, H, W)`` twice to ``(N,)``.

    An absolute difference that is smooth at 0 (Charbonnier et al., 1994); ``epsilon`` is in the
    unit of the images.
    """
    return ((denoised - clean).square() + epsilon**2).sqrt().mean((1, 2, 3))


def l2(denoised: Tensor, clean: Tensor) -> Tensor:
    """Squared difference, averaged over each image: ``(N, C, H, W)`` twice to ``(N,)``."""
    return (denoised - clean).square().mean((1, 2, 3))


def berhu(denoised: Tensor, clean: Tensor) -> Tensor:
    """Reverse Huber, averaged over each image: ``(N, C, H, W)`` twice to ``(N,)``.

    ``|d|`` up to ``c``, a fifth of the image's largest, and ``(d^2 + c^2) / 2c`` above (Laina et
    al., 3DV 2016): flat regions count as in ``l1``, what stands out as in ``l2``.
    """
    off = (denoised - clean).abs()
    c = (0.2 * off.detach().amax((1, 2, 3), keepdim=True)).clamp_min(torch.finfo(off.dtype).tiny)
    return torch.where(off <= c, off, (off.square() + c.square()) / (2 * c)).mean((1, 2, 3))
