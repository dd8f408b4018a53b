"""D-GAN's generator without a critic: recursive residual groups (Naser and Al-Asadi)."""

from dataclasses import dataclass

from medclean.losses.pixel import charbonnier
from medclean.models._rrg import Shape
from medclean.models._supervised import Supervised


class RRG(Supervised):
    """The network, and an absolute distance that is smooth at 0."""

    @dataclass(frozen=True)
    class Options(Shape):
        """The generator's shape, and nothing else."""

    kind = "network"
    scope = "slice"
    context = 1
    receptive_field = None
    code = "DLNR"
    distance = staticmethod(charbonnier)

    def __init__(self, options: Options) -> None:
        generator = options.generator()
        super().__init__(options, generator)
        self.stride, self.segments = generator.stride, generator.blocks
        self.context = options.context


PROVIDES = RRG
