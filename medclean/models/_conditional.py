"""What generators that learn against a critic from pairs have in common (Isola et al., 2017)."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from medclean.learning.batch import Batch
from medclean.learning.turn import Turn
from medclean.losses.adversarial import GUESSING, bce, lsgan
from medclean.losses.pixel import l1
from medclean.models._base import Model
from medclean.networks.critics import CNCLPatchGAN, PatchGAN
from medclean.networks.neighbours import own
from medclean.options import check_counts, check_within
from medclean.volume import Given

Adversarial: TypeAlias = Literal["lsgan", "bce", "none"]

_JUDGES: dict[str, Callable[..., Tensor]] = {"lsgan": lsgan, "bce": bce}


def check_smoothing(smoothing: float) -> None:
    """Nothing, if labels can be so much less than 1.

    Raises:
        ValueError: They cannot.
    """
    if not 0 <= smoothing < 0.5:
        raise ValueError(f"smoothing is {smoothing:g}, expected 0 to less than 0.5")


@dataclass(frozen=True)
class Recipe:
    """How much the critic has to say.

    Attributes:
        adversarial: How its scores are judged; none trains the generator alone.
        l1_weight: Of the distance from the clean image; the critic's opinion has 1.
        smoothing: What the label for real is less than 1, to the critic.
        critic_lr: Learning rate of the critic, as a multiple of the generator's (Heusel et al.,
            2017).
    """

    adversarial: Literal["lsgan", "bce", "none"] = "lsgan"
    l1_weight: float = 100.0
    smoothing: float = 0.0
    critic_lr: float = 1.0

    def __post_init__(self) -> None:
        check_counts(self)
        check_within(0, inf, l1_weight=self.l1_weight, critic_lr=self.critic_lr)
        check_smoothing(self.smoothing)


class Conditional(Model):
    """A generator, and a critic that sees each candidate beside its noisy source.

    Args:
        options: Of the model; among them ``l1_weight``, ``smoothing`` and ``critic_lr``, as in
            ``Recipe``.
        generator: Noisy images to clean ones.
        critic: ``(N, 2, H, W)``, noisy and candidate, to logits; its ``least`` is that of patches.
        adversarial: As in ``Recipe``.
        share: Of the critic's losses that count: a half slows it down (Isola et al.).
        distance: Of each image from the clean one: ``(N, 1, H, W)`` twice to ``(N,)``.
    """

    def __init__(
        self,
        options: Any,
        generator: nn.Module,
        critic: PatchGAN | CNCLPatchGAN,
        *,
        adversarial: Adversarial,
        share: float = 0.5,
        distance: Callable[[Tensor, Tensor], Tensor] = l1,
    ) -> None:
        super().__init__(options)
        self.generator, self.critic = generator, critic
        self.shared_by = (generator,)
        self._adversarial, self._share, self._distance = adversarial, share, distance
        self._guessing = None if adversarial == "none" else share * GUESSING[adversarial]

    def forward(self, images: Tensor, given: Given) -> Tensor:
        denoised: Tensor = self.generator(images)
        return denoised

    def shared(self, batch: Batch) -> dict[str, Tensor]:
        return {"fake": self(batch.noisy, batch.given)}

    def turns(self, progress: float) -> tuple[Turn, ...]:
        alone = self.alone(progress)
        losses = self._content if alone else self._deceive
        return (
            Turn(
                "critic",
                (self.critic,),
                self._tell_apart,
                repeats=0 if alone else 1,
                lr_scale=self.options.critic_lr,
                guessing=self._guessing,
                least=self.critic.least,
            ),
            Turn("generator", (self.generator,), losses),
        )

    def alone(self, progress: float) -> bool:
        """Whether the generator learns without the critic now."""
        return self._adversarial == "none"

    def weights(self, batch: Batch) -> Any:
        """How much each image of a batch counts: a number or ``(N,)``."""
        return 1.0

    def _tell_apart(self, batch: Batch) -> dict[str, Tensor]:
        smoothing = self.options.smoothing
        real = self._judged(batch, batch.clean, real=True, smoothing=smoothing)
        fake = self._judged(batch, batch.shared["fake"], real=False)
        return {"real": self._share * real, "fake": self._share * fake}

    def _deceive(self, batch: Batch) -> dict[str, Tensor]:
        opinion = self._judged(batch, batch.shared["fake"], real=True)
        return {"adversarial": opinion, **self._content(batch)}

    def _content(self, batch: Batch) -> dict[str, Tensor]:
        distances = self._distance(batch.shared["fake"], batch.clean)
        return {"content": (self.options.l1_weight * self.weights(batch) * distances).mean()}

    def _judged(self, batch: Batch, candidate: Tensor, **how: Any) -> Tensor:
        scores = self.critic(torch.cat([own(batch.noisy), candidate], dim=1))
        return _JUDGES[self._adversarial](scores, **how)
