"""Averages of weights over the run, which denoise better than the last ones."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class EMA:
    """Exponential moving average of a module's floating-point weights and buffers.

    Early on the decay is ``(1 + n) / (10 + n)`` after ``n`` updates, so that a short run is not
    held back at its first weights.

    Args:
        module: Its weights are followed.
        decay: Share that an average keeps at each update.
    """

    def __init__(self, module: nn.Module, decay: float = 0.999) -> None:
        self.module, self.decay, self.updates = module, decay, 0
        self.averages = {name: weight.clone() for name, weight in _weights(module).items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take the module's present weights in; called once after each step."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, weight in _weights(self.module).items():
            self.averages[name].lerp_(weight, 1 - decay)
        self.updates += 1

    @contextmanager
    def swapped(self) -> Iterator[nn.Module]:
        """The module with the averages for weights; its own are back afterwards."""
        own = {name: weight.clone() for name, weight in _weights(self.module).items()}
        _put(self.averages, _weights(self.module))
        try:
            yield self.module
        finally:
            _put(own, _weights(self.module))

    def state_dict(self) -> dict[str, Tensor]:
        """What a resumed run needs, as flat as safetensors is."""
        averages = {f"average.{name}": weight for name, weight in self.averages.items()}
        return {"updates": torch.tensor(self.updates), **averages}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what ``state_dict`` gave."""
        self.updates = int(state["updates"])
        _put({name: state[f"average.{name}"] for name in self.averages}, self.averages)


@torch.no_grad()
def _put(values: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    for name, weight in weights.items():
        weight.copy_(values[name])


def _weights(module: nn.Module) -> dict[str, Tensor]:
    """The tensors themselves, by name; counters stay out."""
    return {name: t for name, t in module.state_dict().items() if t.is_floating_point()}
