"""D-GAN: recursive residual groups against a PatchGAN (Naser and Al-Asadi)."""

from dataclasses import dataclass, replace
from math import inf, log
from typing import Any, Literal

from torch import Tensor

from medclean.errors import DataError
from medclean.learning.batch import Batch
from medclean.learning.turn import Turn
from medclean.losses.pixel import berhu, l1, l2
from medclean.models._conditional import Conditional, check_smoothing
from medclean.models._rrg import Shape
from medclean.networks.critics import PatchGAN
from medclean.options import check_within
from medclean.volume import Given

STRONGEST = 0.3  # sigma in scale up to which noise levels are weighted
DISTANCES = {"l1": l1, "l2": l2, "berhu": berhu}
SGDM: dict[str, dict[str, Any]] = {  # of the paper's text: 2e-4 for the critic, half for the other
    "critic": {"optimiser": {"name": "sgd", "momentum": 0.5}},
    "generator": {"optimiser": {"name": "sgd", "momentum": 0.9}, "lr_scale": 0.5},
}


class DGAN(Conditional):
    """The generator learns from the critic, and to stay close to the clean image."""

    @dataclass(frozen=True)
    class Options(Shape):
        """The networks' shapes, the weights of the losses, and what moves the weights.

        Attributes:
            patch: Pixels along each side of what the critic judges at once.
            critic_width: Channels of the critic's first layer.
            norm: Of the critic: batch, or group where several processes shall learn what one does.
            l1_weight: Of the distance from the clean image; the critic's opinion has 1.
            distance: From the clean image: the paper's l1; l2, which cares for the brightest
                pixels and is what PSNR counts; or berhu, which is l1 but for the largest errors.
            smoothing: What the label for real is less than 1, to the critic.
            critic_lr: Learning rate of the critic, as a multiple of the generator's (Heusel et al.,
                2017).
            weighting: Above 0, an image counts by 1 / (sigma + weighting), squared with l2, so
                that low noise levels are not smoothed away; 0.05 is a good value.
            alone: Share of the run in which the generator learns without the critic.
            momentum: The first beta of Adam and AdamW, and of what Muon leaves to Adam; 0.9 suits
                a generator that learns alone.
            optimiser: Adam as the paper's curves were made, sgdm (momentum 0.5 for the critic; 0.9
                for the generator, at half the rate) as its text says, AdamW, RMSprop, or Muon,
                which needs fewer steps than Adam, at a higher rate (about 3e-3).
        """

        patch: Literal[16, 34, 70] = 70
        critic_width: int = 64
        norm: Literal["batch", "group"] = "batch"
        l1_weight: float = 100.0
        distance: Literal["l1", "l2", "berhu"] = "l1"
        smoothing: float = 0.0
        critic_lr: float = 1.0
        weighting: float = 0.0
        alone: float = 0.0
        momentum: float = 0.5
        optimiser: Literal["adam", "sgdm", "adamw", "rmsprop", "muon"] = "adam"

        def __post_init__(self) -> None:
            super().__post_init__()
            check_smoothing(self.smoothing)
            check_within(0, inf, l1_weight=self.l1_weight, critic_lr=self.critic_lr)
            check_within(0, inf, weighting=self.weighting)
            check_within(0, 1, alone=self.alone)
            if not 0 <= self.momentum < 1:
                raise ValueError(f"momentum is {self.momentum:g}, expected 0 to below 1")
            if self.optimiser in ("sgdm", "rmsprop") and self.momentum != type(self).momentum:
                raise ValueError(
                    f"momentum is of adam, adamw and muon, and {self.optimiser} has its own"
                )

    kind = "gan"
    scope = "slice"
    context = 1
    receptive_field = None
    training_only = ("critic",)
    code = "DLNR"

    def __init__(self, options: Options) -> None:
        generator = options.generator()
        critic = PatchGAN(2, patch=options.patch, width=options.critic_width, norm=options.norm)
        distance = DISTANCES[options.distance]
        super().__init__(
            options, generator, critic, adversarial="bce", share=1.0, distance=distance
        )
        self.stride, self.segments = generator.stride, generator.blocks
        self.context = options.context

    @property
    def needs_sigma(self) -> bool:
        return self.options.weighting > 0

    def turns(self, progress: float) -> tuple[Turn, ...]:
        turns, name = super().turns(progress), self.options.optimiser
        if name == "sgdm":
            return tuple(replace(turn, **SGDM[turn.name]) for turn in turns)
        betas = {} if name == "rmsprop" else {"betas": (self.options.momentum, 0.999)}
        return tuple(replace(turn, optimiser={"name": name, **betas}) for turn in turns)

    def alone(self, progress: float) -> bool:
        return bool(progress < self.options.alone)

    def weights(self, batch: Batch) -> Any:
        power = 2 if self.options.distance == "l2" else 1  # as the distance grows with its images
        return weights_of(batch.given, self.options.weighting, power=power)


def weights_of(given: Given, weighting: float, *, power: int = 1) -> Any:
    """Weights ``c / (sigma + weighting)^power`` of images, a number or ``(N,)``; 1 for weighting 0.

    ``c`` makes their mean 1 for sigmas drawn uniformly from 0 to 0.3 of the scale; ``power`` is
    1 or 2.

    Raises:
        DataError: The noise level is not known.
    """
    if not weighting:
        return 1.0
    if given.sigma is None:
        raise DataError("dgan:weighting needs the noise level of each image: train with --noise")
    sigma = given.sigma / given.scale
    if isinstance(sigma, Tensor):
        sigma = sigma.flatten()
    if power == 1:
        return STRONGEST / log(1 + STRONGEST / weighting) / (sigma + weighting)
    return weighting * (weighting + STRONGEST) / (sigma + weighting) ** 2


PROVIDES = DGAN
