"""RED-CNN: an encoder and decoder of large kernels (Chen et al., 2017)."""

from dataclasses import dataclass

from medclean.models._supervised import Supervised
from medclean.networks import redcnn
from medclean.options import check_counts


class REDCNN(Supervised):
    """The network and the squared distance that it learns from."""

    @dataclass(frozen=True)
    class Options:
        """The network's shape.

        Attributes:
            width: Channels between the convolutions.
        """

        width: int = 96

        def __post_init__(self) -> None:
            check_counts(self)

    kind = "network"
    scope = "slice"
    context = 1
    receptive_field = 41
    code = "DLNR"

    def __init__(self, options: Options) -> None:
        super().__init__(options, redcnn.REDCNN(options.width))


PROVIDES = REDCNN
