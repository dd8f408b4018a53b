"""Nothing at all: the output is the input, bit for bit."""

from medclean.models._filter import Filter
from medclean.volume import Given, Image


class Identity(Filter):
    """Shows what reading and writing do to an archive, and that they keep every value."""

    kind = "filter"
    scope = "slice"
    receptive_field = 1
    wants_scale = False
    code = "IDENTITY"

    def denoise(self, images: Image, given: Given) -> Image:
        return images


PROVIDES = Identity
