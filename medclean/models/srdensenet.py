"""SRDenseNet against a critic: dense blocks without enlargement (Tong et al., 2017)."""

from dataclasses import dataclass

from medclean.models._conditional import Conditional, Recipe
from medclean.networks.critics import CNCLPatchGAN
from medclean.networks.srdensenet import SRDenseNet as Network


class SRDenseNet(Conditional):
    """The recipe of content-noise complementary learning, with one network instead of two."""

    @dataclass(frozen=True)
    class Options(Recipe):
        """The networks' shapes, and how much the critic has to say.

        Attributes:
            blocks: Dense blocks.
            layers: Convolutions in each.
            growth: Channels that each convolution adds.
            bottleneck: Channels that all are brought down to before the last convolution.
            critic_width: Channels of the critic's first layer.
        """

        blocks: int = 6
        layers: int = 4
        growth: int = 16
        bottleneck: int = 256
        critic_width: int = 64

    kind = "gan"
    scope = "slice"
    context = 1
    stride = 1
    training_only = ("critic",)
    code = "DLNR"

    def __init__(self, options: Options) -> None:
        network = Network(
            blocks=options.blocks,
            layers=options.layers,
            growth=options.growth,
            bottleneck=options.bottleneck,
        )
        critic = CNCLPatchGAN(2, width=options.critic_width)
        super().__init__(options, network, critic, adversarial=options.adversarial)
        self.receptive_field = 2 * (options.blocks * options.layers + 2) + 1


PROVIDES = SRDenseNet
