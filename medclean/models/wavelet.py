"""Wavelet shrinkage within each slice (BayesShrink: Chang, Yu and Vetterli, 2000)."""

from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pywt import dwtn_max_level
from skimage.restoration import denoise_wavelet

from medclean.models._filter import Filter
from medclean.models._told import Told
from medclean.options import check_counts
from medclean.volume import Given, Image

LEVELS = 5  # of decomposition, where the slice is large enough


class Wavelet(Filter):
    """Shrinks small coefficients, by as much as each band of the slice calls for.

    Averaged over shifts of the slice (Coifman and Donoho, 1995), or the grid of the wavelets shows.
    """

    @dataclass(frozen=True)
    class Options(Told):
        """What is taken for noise, and in what it is told from the image.

        Attributes:
            wavelet: An orthogonal one.
            shifts: Along each axis; the time grows with their square.
        """

        wavelet: Literal["haar", "db2", "db4", "sym4", "sym8", "coif1"] = "sym4"
        shifts: int = 4

        def __post_init__(self) -> None:
            super().__post_init__()
            check_counts(self)

    kind = "filter"
    scope = "slice"
    receptive_field = None
    wants_sigma = True
    code = "113087"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.wants_sigma = options.sigma is None

    def denoise(self, images: Image, given: Given) -> Image:
        return self.options.each_slice(images, given, name="wavelet", remove=self._removed)

    def _removed(self, image: NDArray[Any], sigma: float) -> NDArray[Any]:
        levels = min(LEVELS, dwtn_max_level(image.shape, self.options.wavelet))
        if levels < 1:  # narrower than the wavelet
            return image
        total = np.zeros(image.shape)
        for down, right in product(range(self.options.shifts), repeat=2):
            shrunk = denoise_wavelet(
                np.roll(image, (down, right), (0, 1)),
                sigma=sigma,
                wavelet=self.options.wavelet,
                wavelet_levels=levels,
            )
            total += np.roll(shrunk, (-down, -right), (0, 1))
        return total / self.options.shifts**2


PROVIDES = Wavelet
