"""DnCNN: a stack of convolutions that finds the noise (Zhang et al., 2017)."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from medclean.losses.pixel import l1
from medclean.models._base import check_context
from medclean.models._supervised import Supervised
from medclean.networks.dncnn import DnCNN as Network
from medclean.networks.neighbours import own
from medclean.options import check_counts
from medclean.volume import Given


class DnCNN(Supervised):
    """The residual network, with the loss of the authors' later code (their paper has L2)."""

    @dataclass(frozen=True)
    class Options:
        """The network's shape.

        Attributes:
            depth: Convolutions, at least 3.
            width: Channels between them.
            norm: Batch, or group where several processes shall learn what one does.
            context: Neighbouring slices that it sees, odd; the one in the middle is denoised.
        """

        depth: int = 17
        width: int = 64
        norm: Literal["batch", "group"] = "batch"
        context: int = 1

        def __post_init__(self) -> None:
            check_context(self.context)
            check_counts(self)
            if self.depth < 3:
                raise ValueError(f"depth is {self.depth}, expected at least 3")

    kind = "network"
    scope = "slice"
    context = 1
    code = "DLNR"
    distance = staticmethod(l1)

    def __init__(self, options: Options) -> None:
        super().__init__(options, Network(**vars(options)))
        self.context = options.context
        self.receptive_field = 2 * options.depth + 1 if options.norm == "batch" else None

    def forward(self, images: Tensor, given: Given) -> Tensor:
        return own(images) - super().forward(images, given)


PROVIDES = DnCNN
