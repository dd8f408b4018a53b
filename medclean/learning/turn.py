"""What a model says about its training: whose turn it is, and what to minimise."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from medclean.learning.batch import Batch


@dataclass(frozen=True)
class Turn:
    """One player's move in a training step: its networks learn from its losses.

    Attributes:
        name: Of the player: its optimiser's, and the prefix of its losses.
        learns: Networks that move; all others stay frozen.
        losses: Batch to named losses; their sum is minimised.
        repeats: Updates a step, each but the first on a fresh batch; 0 to sit out.
        lr_scale: Factor on the learning rate.
        optimiser: Name and arguments, such as ``{"name": "sgd", "momentum": 0.9}``; they replace
            the default, Adam(0.5, 0.999), whole.
        clamp: Largest magnitude of a weight after an update (Arjovsky et al., 2017).
        guessing: Sum of the losses of a critic that can tell nothing apart; None for others.
        least: Pixels along each side of the smallest patch that its losses can judge.
    """

    name: str
    learns: tuple[nn.Module, ...]
    losses: Callable[[Batch], dict[str, Tensor]]
    repeats: int = 1
    lr_scale: float = 1.0
    optimiser: Mapping[str, Any] = field(default_factory=dict)
    clamp: float | None = None
    guessing: float | None = None
    least: int = 1

    def parameters(self) -> list[nn.Parameter]:
        """All that learn, each once."""
        each = (parameter for network in self.learns for parameter in network.parameters())
        return list(dict.fromkeys(each))


class Learner(nn.Module):
    """What a stepper can train: it says what to minimise, the stepper how.

    Attributes:
        shared_by: Networks that make what is shared.
        segments: Modules without batch norm whose activations can be computed again.
    """

    shared_by: tuple[nn.Module, ...] = ()
    segments: tuple[nn.Module, ...] = ()

    def turns(self, progress: float) -> tuple[Turn, ...]:
        """The moves of a step, in order; none for what does not learn.

        Args:
            progress: Share of the run that is done, 0 to 1. Players, networks and optimisers are
                the same at any; ``repeats``, ``losses`` and ``lr_scale`` may differ.
        """
        return ()

    def shared(self, batch: Batch) -> dict[str, Tensor]:
        """What several turns need of a batch, such as the fake image.

        A turn gets it attached where it learns what made it, detached elsewhere.
        """
        return {}

    def training_state(self) -> dict[str, Tensor]:
        """What a resumed run needs beside the weights, such as a pool of images."""
        return {}

    def load_training_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what ``training_state`` gave."""
