"""What a critic's scores are worth, to the critic itself and to the generator it judges.

Each takes scores of any shape and what they should say, and gives a scalar, in float32. A critic
minimises it for clean images (``real``) and for denoised ones, a generator as if its own were real.
"""

from collections.abc import Callable
from math import log

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, relu

GUESSING = {"bce": 2 * log(2), "lsgan": 0.5, "hinge": 2.0}
"""What real and fake cost together where a critic says the same of all images."""


def bce(scores: Tensor, *, real: bool, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of logits (Goodfellow et al., 2014, the generator's part not saturating).

    Args:
        scores: Logits.
        real: What they should say.
        smoothing: Of the label for real, which becomes ``1 - smoothing`` (Salimans et al., 2016).
    """
    scores = scores.float()
    target = 1 - smoothing if real else 0.0
    return binary_cross_entropy_with_logits(scores, torch.full_like(scores, target))


def lsgan(scores: Tensor, *, real: bool, smoothing: float = 0.0) -> Tensor:
    """Squared distance from 1 for real and 0 for fake (Mao et al., 2017).

    Args:
        scores: Of any range.
        real: What they should say.
        smoothing: As for ``bce``.
    """
    target = 1 - smoothing if real else 0.0
    return (scores.float() - target).square().mean()


def hinge(scores: Tensor, *, real: bool) -> Tensor:
    """Distance from the right side of a margin (Miyato et al., 2018).

    For the critic; a generator minimises the negative mean of its scores instead.
    """
    scores = scores.float()
    return relu(1 - scores if real else 1 + scores).mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """How far the slope of a critic is from 1 between clean and denoised images, squared.

    The places are drawn on the lines from one to the other (Gulrajani et al., 2017). In float32
    whatever the precision around: the square of a slope leaves half precision's range.

    Args:
        critic: Images ``(N, C, H, W)`` to scores of any shape.
        real: Clean images.
        fake: Denoised ones, through which no gradient goes.
    """
    with torch.autocast(real.device.type, enabled=False):
        place = torch.rand(len(real), 1, 1, 1, device=real.device)
        between = torch.lerp(fake.detach().float(), real.float(), place).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        return (slope.flatten(1).norm(dim=1) - 1).square().mean()
