"""How a learner learns: who is frozen, where gradients go, what a resumed run needs."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.amp import GradScaler

from medclean.errors import unknown
from medclean.learning.batch import Batch
from medclean.learning.muon import Muon
from medclean.learning.processes import average_gradients, rank
from medclean.learning.turn import Learner, Turn

Precision: TypeAlias = Literal["float32", "bf16", "fp16"]

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
ADAM: dict[str, Any] = {"name": "adam", "betas": (0.5, 0.999)}
OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "muon": Muon,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}


@dataclass
class Stepper:
    """Plays the turns of a learner: one call of ``step`` is one training step.

    Attributes:
        learner: Owns the networks and the losses.
        steps: Length of the run.
        lr: Learning rate of a turn with ``lr_scale`` 1; a schedule sets it before each step.
        clip: Largest norm of a turn's gradient.
        accumulate: Batches whose mean gradient makes one update.
        precision: ``"bf16"`` or ``"fp16"`` to compute in it where autocast holds that to be safe;
            the losses of a turn are scaled for ``"fp16"``, or small gradients would be 0.
        seed: Of the run; with the step's number and the rank it seeds torch before each step.
        done: Steps so far.
        drawn: Batches so far.
    """

    learner: Learner
    steps: int
    lr: float = 2e-4
    clip: float | None = None
    accumulate: int = 1
    precision: Precision = "float32"
    seed: int = 0
    done: int = 0
    drawn: int = 0
    optimisers: dict[str, torch.optim.Optimizer] = field(init=False)
    scalers: dict[str, GradScaler] = field(init=False)
    _all: list[nn.Parameter] = field(init=False)  # to walk through modules at each turn takes time
    _makers: frozenset[nn.Parameter] = field(init=False)
    _own: dict[str, list[nn.Parameter]] = field(init=False)

    def __post_init__(self) -> None:
        turns, half = self.learner.turns(0.0), self.precision == "fp16"
        self._all = list(self.learner.parameters())
        self._makers = frozenset(p for n in self.learner.shared_by for p in n.parameters())
        self._own = {turn.name: turn.parameters() for turn in turns}
        self.optimisers = {turn.name: _optimiser(turn) for turn in turns}
        self.scalers = {turn.name: GradScaler(_device(turn), enabled=half) for turn in turns}

    def step(self, batches: Iterator[Batch]) -> dict[str, Tensor]:
        """Play every turn once, or as often as it repeats.

        Args:
            batches: Endless; goes on from batch number ``drawn``.

        Returns:
            The last value of each loss, detached: ``{"turn/loss": value}``.

        An update whose gradients overflow in ``"fp16"`` is left out; the next losses are scaled
        less.
        """
        words = np.random.SeedSequence((self.seed, self.done, rank())).generate_state(1, np.uint64)
        torch.manual_seed(int(words[0]))
        losses: dict[str, Tensor] = {}
        for turns in _by_batch(self.learner.turns(self.done / self.steps)):
            losses |= self._play(turns, list(islice(batches, self.accumulate)))
            self.drawn += self.accumulate
        self.done += 1
        return losses

    def parts(self, count: int) -> list[int]:
        """Numbers of the batches that each part of the run but the first begins with.

        Args:
            count: Parts of as many steps each.
        """
        begins = [round(part * self.steps / count) for part in range(1, count)]
        drawn, numbers = 0, []
        for step in range(begins[-1] if begins else 0):
            drawn += self.accumulate * len(_by_batch(self.learner.turns(step / self.steps)))
            if step + 1 in begins:
                numbers.append(drawn)
        return numbers

    def training_state(self) -> dict[str, Tensor]:
        """What a resumed run needs beside the weights, as flat as safetensors is."""
        state = {"done": torch.tensor(self.done), "drawn": torch.tensor(self.drawn)}
        state |= {f"learner.{k}": v for k, v in self.learner.training_state().items()}
        for name, optimiser in self.optimisers.items():
            for index, slots in optimiser.state_dict()["state"].items():
                kept = {k: v for k, v in slots.items() if v is not None}
                state |= {f"optimiser.{name}.{index}.{k}": v for k, v in kept.items()}
        for name, scaler in self.scalers.items():
            for key, value in scaler.state_dict().items():
                state[f"scaler.{name}.{key}"] = torch.tensor(value)
        return state

    def load_training_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what ``training_state`` gave, with batch number ``drawn``."""
        self.done, self.drawn = int(state["done"]), int(state["drawn"])
        self.learner.load_training_state(_under("learner.", state))
        for name, optimiser in self.optimisers.items():
            slots: dict[int, dict[str, Tensor]] = defaultdict(dict)
            for key, value in _under(f"optimiser.{name}.", state).items():
                index, _, slot = key.partition(".")
                slots[int(index)][slot] = value.clone()
            optimiser.load_state_dict(optimiser.state_dict() | {"state": slots})
        for name, scaler in self.scalers.items():
            scale = {k: v.item() for k, v in _under(f"scaler.{name}.", state).items()}
            scaler.load_state_dict(scale)

    def _play(self, turns: Sequence[Turn], batches: Sequence[Batch]) -> dict[str, Tensor]:
        """Turns on one batch, or on the few that are accumulated.

        What is shared is made once a batch, and anew for a turn that learns its makers after they
        moved, as its graph is spent then; others go on with what there is. Where batches are
        accumulated it is made for each batch and turn, or the graphs of all would be held at once.
        """
        several, moved = len(batches) > 1, False
        shared: dict[str, Tensor] = {}
        losses: dict[str, Tensor] = {}
        for index, turn in enumerate(turns):
            attached = not self._makers.isdisjoint(self._own[turn.name])
            parts = []
            for batch in batches:
                if several or index == 0 or (attached and moved):
                    shared = self._share(batch, [turn] if several else turns[index:])
                seen = shared if attached else {name: v.detach() for name, v in shared.items()}
                parts.append(self._backward(turn, replace(batch, shared=seen), len(batches)))
            self._update(turn)
            moved = moved or attached
            losses |= {f"{turn.name}/{k}": _mean([part[k] for part in parts]) for k in parts[0]}
        return losses

    def _share(self, batch: Batch, turns: Sequence[Turn]) -> dict[str, Tensor]:
        with self._only(turns, batch):
            return self.learner.shared(batch)

    def _backward(self, turn: Turn, batch: Batch, parts: int) -> dict[str, Tensor]:
        """Add the gradient of one batch out of ``parts``; returns its losses."""
        with self._only([turn], batch):
            losses = {name: loss.float() for name, loss in turn.losses(batch).items()}
        total = torch.stack(list(losses.values())).sum() / parts
        self.scalers[turn.name].scale(total).backward()
        return {name: loss.detach() for name, loss in losses.items()}

    def _update(self, turn: Turn) -> None:
        """The one place where weights move."""
        parameters, optimiser = self._own[turn.name], self.optimisers[turn.name]
        scaler = self.scalers[turn.name]
        average_gradients(parameters)
        scaler.unscale_(optimiser)
        if self.clip is not None:
            nn.utils.clip_grad_norm_(parameters, self.clip)
        for group in optimiser.param_groups:
            group["lr"] = self.lr * turn.lr_scale
        scaler.step(optimiser)
        scaler.update()
        optimiser.zero_grad()
        if turn.clamp is not None:
            for parameter in parameters:
                parameter.data.clamp_(-turn.clamp, turn.clamp)

    def _only(self, turns: Sequence[Turn], batch: Batch) -> torch.autocast:
        """Freeze all but the networks of these turns; returns the precision to compute in."""
        learning = {parameter for turn in turns for parameter in self._own[turn.name]}
        for parameter in self._all:
            parameter.requires_grad_(parameter in learning)
        dtype = DTYPES.get(self.precision)
        return torch.autocast(batch.noisy.device.type, dtype, enabled=dtype is not None)


def _by_batch(turns: Sequence[Turn]) -> list[list[Turn]]:
    """Who plays on which batch: each repeat but the first takes a fresh one."""
    batches: list[list[Turn]] = [[]]
    for turn in turns:
        if turn.repeats:
            batches[-1].append(turn)
            batches += [[turn] for _ in range(turn.repeats - 1)]
    return batches


def _optimiser(turn: Turn) -> torch.optim.Optimizer:
    options = dict(turn.optimiser or ADAM)
    name = options.pop("name")
    if name not in OPTIMISERS:
        raise unknown("optimiser", name, OPTIMISERS)
    return OPTIMISERS[name](turn.parameters(), **options)


def _device(turn: Turn) -> str:
    return next((parameter.device.type for parameter in turn.parameters()), "cpu")


def _mean(losses: Sequence[Tensor]) -> Tensor:
    return losses[0] if len(losses) == 1 else torch.stack(list(losses)).mean()


def _under(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
