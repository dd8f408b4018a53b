"""What a critic's scores are worth, to the critic itself and to the generator it judges.

Each takes scores of any shape and what they should say, and gives a scalar, in float32. A critic
minimises it for clean images (``real``) and for denoised ones, a generator as if its own were real.
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, relu


def bce(scores: Tensor, *, real: bool) -> Tensor:
    """Cross-entropy of logits (Goodfellow et al., 2014, the generator's part not saturating)."""
    scores = scores.float()
    return binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(real)))


def lsgan(scores: Tensor, *, real: bool) -> Tensor:
    """Squared distance from 1 for real and 0 for fake (Mao et al., 2017)."""
    return (scores.float() - float(real)).square().mean()


def hinge(scores: Tensor, *, real: bool) -> Tensor:
    """Distance from the right side of a margin (Miyato et al., 2018).

    For the critic; a generator minimises the negative mean of its scores instead.
    """
    scores = scores.float()
    return relu(1 - scores if real else 1 + scores).mean()
