"""BM3D within each slice (Dabov et al., 2007), by the package of its authors."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from medclean.models._base import Model
from medclean.models._matched import Matched
from medclean.models._told import each_slice
from medclean.volume import Given, Image


class BM3D(Model):
    """Filters stacks of blocks that look alike. One thread, as several do not repeat a result."""

    @dataclass(frozen=True)
    class Options(Matched):
        """How much is taken for noise, and what it is like."""

    kind = "filter"
    scope = "slice"
    context = 1
    receptive_field = None
    stride = 1
    wants_sigma = True
    in_units = True
    code = "113087"
    package = "bm3d"
    licence = "non-commercial use only (Tampere University)"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.wants_sigma = options.sigma is None

    def forward(self, images: Tensor, given: Given) -> Tensor:
        return each_slice(images, self.options.level(given, "bm3d"), self._denoised)

    def _denoised(self, image: Image, sigma: float) -> NDArray[Any]:
        from bm3d import BM3DProfile, bm3d

        profile = BM3DProfile()
        profile.num_threads = 1
        return self.options.denoised(image, sigma, lambda even, level: bm3d(even, level, profile))


PROVIDES = BM3D
