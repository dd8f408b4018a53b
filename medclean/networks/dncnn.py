"""The plain stack of convolutions that predicts an image or its noise (Zhang et al., 2017)."""

from collections.abc import Callable

from torch import nn

from medclean.networks.norms import Norm, norm_of


class DnCNN(nn.Sequential):
    """Convolutions of 3 x 3 with norms between: ``(N, context, H, W)`` to ``(N, 1, H, W)``.

    The weights are drawn orthogonal, five times smaller than usual, as in the authors' later code.

    Args:
        depth: Convolutions.
        width: Channels between them.
        activation: Makes what follows each but the last.
        norm: After each but the first and the last.
        context: Slices that it sees.
    """

    def __init__(
        self,
        *,
        depth: int = 17,
        width: int = 64,
        activation: Callable[[], nn.Module] = nn.ReLU,
        norm: Norm = "batch",
        context: int = 1,
    ) -> None:
        layers: list[nn.Module] = [nn.Conv2d(context, width, 3, padding=1), activation()]
        for _ in range(depth - 2):
            convolution = nn.Conv2d(width, width, 3, padding=1, bias=False)
            layers += [convolution, norm_of(norm, width), activation()]
        super().__init__(*layers, nn.Conv2d(width, 1, 3, padding=1))
        for module in self:
            if isinstance(module, nn.Conv2d):
                nn.init.orthogonal_(module.weight, gain=0.2)
