"""SCNN: a network that is told the noise level, and shrinks by it (Isogawa et al., 2018)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from medclean.errors import DataError
from medclean.models._supervised import Supervised
from medclean.networks import scnn
from medclean.options import check_counts
from medclean.volume import Given


class SCNN(Supervised):
    """One network for all noise levels: thresholds grow with the one that is given."""

    @dataclass(frozen=True)
    class Options:
        """The network's shape.

        Attributes:
            depth: Convolutions, at least 2.
            width: Channels between them.
        """

        depth: int = 22
        width: int = 64

        def __post_init__(self) -> None:
            check_counts(self)
            if self.depth < 2:
                raise ValueError(f"depth is {self.depth}, expected at least 2")

    kind = "network"
    scope = "slice"
    context = 1
    wants_sigma = True
    code = "DLNR"

    def __init__(self, options: Options) -> None:
        super().__init__(options, scnn.SCNN(depth=options.depth, width=options.width))
        self.receptive_field = 2 * options.depth + 1

    def forward(self, images: Tensor, given: Given) -> Tensor:
        """As any model does.

        Raises:
            DataError: The noise level is not known.
        """
        if given.sigma is None:
            raise DataError("scnn needs the noise level of each image: train with --noise")
        sigma = torch.as_tensor(given.sigma, dtype=torch.float32, device=images.device)
        denoised: Tensor = self.generator(images, sigma)
        return denoised


PROVIDES = SCNN
