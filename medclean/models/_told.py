"""Filters that are told the noise level: its option, and one slice after another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medclean.errors import UsageError
from medclean.volume import Given, Image, Level, level_of


@dataclass(frozen=True)
class Told:
    """How much is taken for noise.

    Attributes:
        sigma: Noise level: a fraction of the scale, or with a unit; none: measured.
    """

    sigma: Level | None = None

    def __post_init__(self) -> None:
        if self.sigma is not None:
            level_of(self.sigma)

    def level(self, given: Given, name: str) -> Any:
        """The noise level in the images' unit, a number or a tensor as in ``Given``.

        Args:
            given: Knows the measured level where the option leaves it open.
            name: Of the model, for the error.

        Raises:
            UsageError: Nobody said.
        """
        sigma = given.sigma if self.sigma is None else given.absolute(self.sigma)
        if sigma is None:
            raise UsageError(f"{name} needs to know the noise level: try --model {name}:sigma=0.05")
        return sigma


def each_slice(images: Tensor, sigma: Any, denoised: Callable[[Image, float], Image]) -> Tensor:
    """Denoise the slices of ``(N, 1, H, W)`` one by one, on the processor.

    Args:
        images: On any device.
        sigma: Noise level of all, or a tensor with that of each; 0 leaves a slice as it is.
        denoised: Takes a slice ``(H, W)`` and its noise level to a slice of the same shape.
    """
    levels = sigma.cpu() if isinstance(sigma, Tensor) else sigma
    slices = images[:, 0].cpu().numpy()
    results = [
        denoised(image, float(level)).astype(np.float32) if level > 0 else image
        for image, level in zip(slices, np.broadcast_to(np.ravel(levels), len(slices)), strict=True)
    ]
    return torch.from_numpy(np.stack(results)[:, None]).to(images.device)
