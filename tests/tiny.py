"""Models in their smallest size, learners of every habit, and made-up images, for the tests."""

from itertools import count

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate, l1_loss

from medclean.catalog import MODELS
from medclean.learning.batch import Batch
from medclean.learning.turn import Learner, Turn
from medclean.models._base import Model
from medclean.volume import Given

torch.set_num_threads(1)
GIVEN = Given("1", 1.0, (1.0, 1.0, 1.0), "MR", sigma=0.1)
SIZES = {
    **{"width": 4, "groups": 1, "blocks": 1, "layers": 2, "depth": 5, "growth": 4, "bottleneck": 8},
    **{"critic_width": 4, "patch": 16},
}
ENTRIES = {name: MODELS.entry(name) for name in MODELS}
SLICEWISE = [name for name, entry in ENTRIES.items() if entry.facts["scope"] == "slice"]
TRAINABLE = [name for name, entry in ENTRIES.items() if entry.facts["kind"] in ("network", "gan")]
FILTERS = [name for name, entry in ENTRIES.items() if entry.facts["kind"] == "filter"]


class Wasserstein(Learner):
    """A critic that moves often, by its own optimiser, within bounds."""

    def __init__(self):
        super().__init__()
        self.generator, self.critic = _filter(), _filter()
        self.shared_by = (self.generator,)

    def shared(self, batch):
        return {"fake": self.generator(batch.noisy)}

    def turns(self, progress):
        slow = {"name": "rmsprop", "alpha": 0.9}
        habits = {"repeats": 5, "lr_scale": 4.0, "optimiser": slow, "clamp": 0.01}
        return (
            Turn("critic", (self.critic,), self._critic_losses, **habits),
            Turn("generator", (self.generator,), self._generator_losses),
        )

    def _critic_losses(self, batch):
        fake, real = self.critic(batch.shared["fake"]), self.critic(batch.clean)
        return {"wasserstein": fake.mean() - real.mean()}

    def _generator_losses(self, batch):
        fake = batch.shared["fake"]
        return {"adversarial": -self.critic(fake).mean(), "content": l1_loss(fake, batch.clean)}


class Cycle(Learner):
    """Two generators that learn before their critic, which sees fakes of the past; and dropout."""

    def __init__(self):
        super().__init__()
        self.there, self.back, self.critic = _filter(), _filter(), _filter()
        self.dropout = nn.Dropout(0.5)
        self.shared_by = (self.there,)
        self.past = torch.zeros(4, 1, 16, 16)

    def shared(self, batch):
        return {"fake": self.there(self.dropout(batch.noisy))}

    def turns(self, progress):
        return (
            Turn("generators", (self.there, self.back), self._generator_losses),
            Turn("critic", (self.critic,), self._critic_losses),
        )

    def training_state(self):
        return {"past": self.past}

    def load_training_state(self, state):
        self.past = state["past"].clone()

    def _generator_losses(self, batch):
        fake = batch.shared["fake"]
        cycle = l1_loss(self.back(fake), batch.noisy)
        return {"adversarial": (self.critic(fake) - 1).square().mean(), "cycle": cycle}

    def _critic_losses(self, batch):
        past, self.past = self.past, batch.shared["fake"]
        real = (self.critic(batch.clean) - 1).square().mean()
        return {"real": real, "fake": self.critic(past).square().mean()}


def _filter():
    return nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 3, 1, 1))


LEARNERS = {"wasserstein": Wasserstein, "cycle": Cycle}


def each(names):
    """Parameters of a test; models that need an extra take their time."""
    slow = [pytest.mark.slow]
    return [pytest.param(n, marks=slow if "package" in ENTRIES[n].facts else []) for n in names]


def tiny(name, **options):
    """A model of the catalogue, or a learner from above, with the same weights at each call."""
    torch.manual_seed(0)
    if name in LEARNERS:
        return LEARNERS[name]()
    if package := ENTRIES[name].facts.get("package"):
        pytest.importorskip(package)
    chosen = {k: v for k, v in (SIZES | options).items() if k in ENTRIES[name].options}
    return Model.of(MODELS.make(f"{name}:" + ",".join(f"{k}={v}" for k, v in chosen.items())))


def batches(start=0):
    """Batch k is a function of k alone, so that a run can go on anywhere."""
    for k in count(start):
        draw = torch.Generator().manual_seed(k)
        clean = interpolate(torch.rand(4, 1, 4, 4, generator=draw), scale_factor=8, mode="bilinear")
        yield Batch(clean + 0.1 * torch.randn(clean.shape, generator=draw), GIVEN, clean)


def play(stepper, steps):
    """Go on for some steps; returns the losses of each."""
    source = batches(stepper.drawn)
    return [stepper.step(source) for _ in range(steps)]
