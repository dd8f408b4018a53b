"""Nothing at all: the output is the input, bit for bit."""

from torch import Tensor

from medclean.models._base import Model
from medclean.volume import Given


class Identity(Model):
    """Shows what reading and writing do to an archive, and that they keep every value."""

    kind = "filter"
    scope = "slice"
    context = 1
    receptive_field = 1
    stride = 1
    in_units = True
    wants_scale = False
    code = "IDENTITY"

    def forward(self, images: Tensor, given: Given) -> Tensor:
        return images


PROVIDES = Identity
