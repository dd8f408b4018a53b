"""BM3D within each slice (Dabov et al., 2007), by the package of its authors."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from medclean.models._filter import Filter
from medclean.models._matched import with_room
from medclean.models._told import Told
from medclean.volume import Given, Image

THREADS = 1  # several do not repeat a result


class BM3D(Filter):
    """Filters stacks of blocks that look alike."""

    @dataclass(frozen=True)
    class Options(Told):
        """What is taken for noise, and nothing else."""

    kind = "filter"
    scope = "slice"
    receptive_field = None
    wants_sigma = True
    code = "113087"
    package = "bm3d"
    licence = "non-commercial use only (Tampere University)"

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.wants_sigma = options.sigma is None

    def denoise(self, images: Image, given: Given) -> Image:
        return self.options.each_slice(images, given, name="bm3d", remove=with_room(_removed))


def _removed(image: NDArray[Any], sigma: float) -> NDArray[Any]:
    from bm3d import BM3DProfile, bm3d

    profile = BM3DProfile()
    profile.num_threads = THREADS
    return bm3d(image, sigma, profile)


PROVIDES = BM3D
