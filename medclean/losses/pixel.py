"""Pixel by pixel: how far a denoised image is from the clean one."""

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
