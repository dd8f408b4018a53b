"""BM4D over a whole series (Maggioni et al., 2013), by the package of its authors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medclean.models._base import Model
from medclean.models._matched import Matched
from medclean.volume import Given

DEEP = 5  # slices from which on blocks span several
FIRST = 0.6  # of the time goes into the first of two stages


class BM4D(Model):
    """Filters stacks of blocks of several slices. One thread, as several do not repeat a result."""

    @dataclass(frozen=True)
    class Options(Matched):
        """How much is taken for noise, and what it is like."""

    kind = "filter"
    scope = "series"
    context = 1
    receptive_field = None
    stride = 1
    wants_sigma = True
    in_units = True
    code = "113087"
    package = "bm4d"
    licence = "non-commercial use only (Tampere University)"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.wants_sigma = options.sigma is None

    def forward(self, images: Tensor, given: Given) -> Tensor:
        sigma = float(self.options.level(given, "bm4d"))
        if sigma <= 0:
            return images
        volume = images.cpu().numpy()

        def both_stages(even: NDArray[Any], level: float) -> NDArray[Any]:
            from bm4d import BM4DProfile, BM4DProfile2D, BM4DStages, bm4d

            profile = BM4DProfile() if len(even) >= DEEP else BM4DProfile2D()
            profile.num_threads = 1
            noisy = np.moveaxis(even, 0, -1)  # blocks may be flat along the last axis
            given.progress(0.0)
            pilot = bm4d(noisy, level, profile, BM4DStages.HARD_THRESHOLDING)
            given.progress(FIRST)
            return np.moveaxis(bm4d(noisy, level, profile, pilot), -1, 0)

        denoised = self.options.denoised(volume, sigma, both_stages).astype(np.float32)
        given.progress(1.0)
        return torch.from_numpy(denoised).to(images.device)


PROVIDES = BM4D
