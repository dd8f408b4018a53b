"""BM4D over a whole series (Maggioni et al., 2013), by the package of its authors."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medclean.models._base import Model
from medclean.models._matched import with_room, with_signs_of_life
from medclean.models._told import Told
from medclean.volume import Given

DEEP = 5  # slices from which on blocks span several
FIRST = 0.6  # of the time goes into the first of two stages


class BM4D(Model):
    """Filters stacks of blocks of several slices. One thread, as several do not repeat a result."""

    @dataclass(frozen=True)
    class Options(Told):
        """What is taken for noise, and nothing else."""

    kind = "filter"
    scope = "series"
    context = 1
    receptive_field = None
    stride = 1
    wants_sigma = True
    in_units = True
    holds = 850  # measured: 0.7 GB for 24 slices of 192 x 192
    code = "113087"
    package = "bm4d"
    licence = "non-commercial use only (Tampere University)"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.wants_sigma = options.sigma is None

    def forward(self, images: Tensor, given: Given) -> Tensor:
        sigma = float(self.options.level(given, "bm4d"))
        remove = with_room(partial(_removed, progress=given.progress))
        denoised = self.options.denoised(images.cpu().numpy(), sigma, remove)
        return torch.from_numpy(denoised).to(images.device)


def _removed(volume: NDArray[Any], sigma: float, progress: Callable[[float], None]) -> NDArray[Any]:
    from bm4d import BM4DProfile, BM4DProfile2D, BM4DStages, bm4d

    profile = BM4DProfile() if len(volume) >= DEEP else BM4DProfile2D()
    profile.num_threads = 1
    noisy = np.moveaxis(volume, 0, -1)  # blocks may be flat along the last axis

    def stage(share: float, takes: Any) -> NDArray[Any]:
        work = partial(bm4d, noisy, sigma, profile, takes)
        return with_signs_of_life(work, partial(progress, share))

    pilot = stage(0.0, BM4DStages.HARD_THRESHOLDING)
    denoised = np.moveaxis(stage(FIRST, pilot), -1, 0)
    progress(1.0)
    return denoised


PROVIDES = BM4D
