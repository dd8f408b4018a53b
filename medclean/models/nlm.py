"""Non-local means within each slice (Buades et al., 2005)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from skimage.restoration import denoise_nl_means
from torch import Tensor

from medclean.errors import UsageError
from medclean.models._base import Model
from medclean.volume import Given, Image, Level, level_of

PATCH = 5  # pixels along each side of what is compared
DISTANCE = 6  # pixels from a patch to the farthest one that it is compared with


class NLM(Model):
    """Averages pixels whose surroundings look alike."""

    @dataclass(frozen=True)
    class Options:
        """How much is taken for noise.

        Attributes:
            sigma: Noise level: a fraction of the scale, or with a unit; none: measured.
            strength: How unlike patches may be, in sigma.
        """

        sigma: Level | None = None
        strength: float = 0.8

        def __post_init__(self) -> None:
            if self.sigma is not None:
                level_of(self.sigma)
            if not self.strength > 0:
                raise ValueError(f"strength is {self.strength:g}, expected more than 0")

    kind = "filter"
    scope = "slice"
    context = 1
    receptive_field = 2 * (DISTANCE + PATCH // 2) + 1
    stride = 1
    wants_sigma = True
    in_units = True
    code = "113087"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.wants_sigma = options.sigma is None

    def forward(self, images: Tensor, given: Given) -> Tensor:
        slices = images[:, 0].cpu().numpy()
        sigmas = np.broadcast_to(np.ravel(self._sigma(given)), len(slices))
        denoised = [self._filtered(s, float(v)) for s, v in zip(slices, sigmas, strict=True)]
        return torch.from_numpy(np.stack(denoised)[:, None]).to(images.device)

    def _filtered(self, image: Image, sigma: float) -> Image:
        if sigma <= 0:
            return image
        denoised = denoise_nl_means(
            image.astype(np.float64),  # its running sums of squares would lose float32's digits
            patch_size=PATCH,
            patch_distance=DISTANCE,
            h=self.options.strength * sigma,
            sigma=sigma,
            fast_mode=True,
            preserve_range=True,
        )
        return denoised.reshape(image.shape).astype(np.float32)  # it drops sides of one pixel

    def _sigma(self, given: Given) -> Any:
        level = self.options.sigma
        sigma = given.sigma if level is None else given.absolute(level)
        if sigma is None:
            raise UsageError("nlm needs to know the noise level: try --model nlm:sigma=0.05")
        return sigma.cpu() if isinstance(sigma, Tensor) else sigma


PROVIDES = NLM
