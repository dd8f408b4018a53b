"""ADNet (Tian et al., 2020), which stands in for the unidentified "Tyan-Net" of Osman et al."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from medclean.models._supervised import Supervised
from medclean.networks.adnet import ADNet as Network
from medclean.options import check_counts
from medclean.volume import Given


class ADNet(Supervised):
    """The network, which finds the noise, and the squared distance that it learns from."""

    @dataclass(frozen=True)
    class Options:
        """The network's shape.

        Attributes:
            width: Channels between the convolutions.
            norm: Batch, or group where several processes shall learn what one does.
        """

        width: int = 64
        norm: Literal["batch", "group"] = "batch"

        def __post_init__(self) -> None:
            check_counts(self)

    kind = "network"
    scope = "slice"
    context = 1
    code = "DLNR"

    def __init__(self, options: Options) -> None:
        super().__init__(options, Network(options.width, options.norm))
        self.receptive_field = 41 if options.norm == "batch" else None

    def forward(self, images: Tensor, given: Given) -> Tensor:
        return images - super().forward(images, given)


PROVIDES = ADNet
