"""Non-local means within each slice (Buades et al., 2005)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.restoration import denoise_nl_means

from medclean.models._filter import Filter
from medclean.models._told import Told
from medclean.volume import Given, Image

PATCH = 5  # pixels along each side of what is compared
DISTANCE = 6  # pixels from a patch to the farthest one that it is compared with


class NLM(Filter):
    """Averages pixels whose surroundings look alike.

    The library's fast mode compares 4 x 4 pixels that lie half a pixel off centre, so that single
    pixels of a flipped slice may differ by 2 sigma. To average four flips costs four times as much
    and gains 0.2 dB: ``--ensemble`` does so where it matters. The slow mode is worse by 1 dB.
    """

    @dataclass(frozen=True)
    class Options(Told):
        """What is taken for noise, and for alike.

        Attributes:
            strength: How unlike patches may be, in sigma.
        """

        strength: float = 0.8

        def __post_init__(self) -> None:
            super().__post_init__()
            if not self.strength > 0:
                raise ValueError(f"strength is {self.strength:g}, expected more than 0")

    kind = "filter"
    scope = "slice"
    receptive_field = 2 * (DISTANCE + PATCH // 2) + 1
    wants_sigma = True
    code = "113087"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.wants_sigma = options.sigma is None

    def denoise(self, images: Image, given: Given) -> Image:
        return self.options.each_slice(images, given, name="nlm", remove=self._removed)

    def _removed(self, image: NDArray[Any], sigma: float) -> NDArray[Any]:
        denoised = denoise_nl_means(
            image.astype(np.float64),  # its running sums of squares would lose float32's digits
            patch_size=PATCH,
            patch_distance=DISTANCE,
            h=self.options.strength * sigma,
            sigma=sigma,
            fast_mode=True,
            preserve_range=True,
        )
        return denoised.reshape(image.shape)  # it drops sides of one pixel


PROVIDES = NLM
