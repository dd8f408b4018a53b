"""Total variation within each slice (Rudin, Osher and Fatemi, 1992; Chambolle, 2004)."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from skimage.restoration import denoise_tv_chambolle

from medclean.models._filter import Filter
from medclean.models._told import Told
from medclean.options import check_counts
from medclean.volume import Given, Image


class TV(Filter):
    """The flattest image that is near the noisy one: even regions, sharp edges.

    A fixed number of iterations, not one that the whole slice decides, so that tiles give what the
    slice gives.
    """

    @dataclass(frozen=True)
    class Options(Told):
        """What is taken for noise, and how long the search goes on.

        Attributes:
            strength: Weight of flatness against nearness, in sigma.
            iterations: Each lets a pixel see one pixel farther.
        """

        strength: float = 1.0
        iterations: int = 100

        def __post_init__(self) -> None:
            super().__post_init__()
            if not self.strength > 0:
                raise ValueError(f"strength is {self.strength:g}, expected more than 0")
            check_counts(self)

    kind = "filter"
    scope = "slice"
    wants_sigma = True
    code = "113087"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.wants_sigma = options.sigma is None
        self.receptive_field = 2 * options.iterations + 1

    def denoise(self, images: Image, given: Given) -> Image:
        return self.options.each_slice(images, given, name="tv", remove=self._removed)

    def _removed(self, image: NDArray[Any], sigma: float) -> NDArray[Any]:
        weight, count = self.options.strength * sigma, self.options.iterations
        return denoise_tv_chambolle(image, weight, eps=0, max_num_iter=count)


PROVIDES = TV
