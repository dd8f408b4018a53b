"""Q-AE: an encoder and decoder of quadratic neurons (Fan et al., 2020)."""

from dataclasses import dataclass

from medclean.models._supervised import Supervised
from medclean.networks.quadratic import QuadraticAutoencoder
from medclean.options import check_counts


class QAE(Supervised):
    """The network and the squared distance that it learns from."""

    @dataclass(frozen=True)
    class Options:
        """The network's shape.

        Attributes:
            width: Channels between the layers.
        """

        width: int = 15

        def __post_init__(self) -> None:
            check_counts(self)

    kind = "network"
    scope = "slice"
    context = 1
    receptive_field = 21
    code = "DLNR"

    def __init__(self, options: Options) -> None:
        super().__init__(options, QuadraticAutoencoder(options.width))


PROVIDES = QAE
