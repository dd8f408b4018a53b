"""How fast a training is, as ratios of one run: its loader, and its stepper beside a loop by hand.

    PYTHONPATH=tests python tests/benchmarks/training.py
    PYTHONPATH=tests python tests/benchmarks/training.py --model dgan:width=16 --patch 128 --batch 8

The loader alone must make at least 3 times as many batches a second as the model learns from, with
the default noise and all of the augmentation. The stepper may take 5 % longer than the usual step
of pix2pix (Isola et al., 2017), and must call the generator and the critic as often. Both take
turns, so that a drift of the machine hits both; the ratio is the median over turns. Times are the
processor's, which others on the machine change less.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count, repeat
from pathlib import Path
from statistics import median

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from little_dataset import job, write_image
from medclean.archive.dataset import gather
from medclean.archive.workers import Workers
from medclean.learning.batch import Batch
from medclean.learning.stepper import Stepper
from medclean.log import Log
from medclean.models._base import Model
from medclean.pipelines._inputs import Inputs, find
from medclean.signals import Stop
from medclean.training.begin import network
from medclean.training.pairs import Pairing
from medclean.training.samples import Samples, to_batch
from medclean.training.slices import cached

CPU = torch.device("cpu")
AHEAD, OVERHEAD = 3.0, 0.05
TINY = "dgan:width=8,groups=1,blocks=1,critic_width=16"


def main() -> None:
    """Print both ratios; the exit status says whether they are what they should be."""
    options = _options()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        samples = _samples(options, Path(folder))
        numbers = count()
        loading = _seconds(lambda: samples[next(numbers)], options.turns * 4)
        batch = to_batch(samples[0], "MR", CPU)
    ours, theirs = _model(options), _model(options)
    stepper = Stepper(ours, steps=10**6)
    plain = by_hand(theirs, batch)
    calls = [
        _calls(m, do) for m, do in ((ours, lambda: stepper.step(repeat(batch))), (theirs, plain))
    ]
    taken = [
        (_once(lambda: stepper.step(repeat(batch))), _once(plain)) for _ in range(options.turns)
    ]
    step, usual = (median(times) for times in zip(*taken, strict=True))
    overhead = median(a / b for a, b in taken) - 1
    ahead = step / loading
    print(f"{options.model}, {options.batch} patches of {options.patch}, {options.threads} threads")
    print(f"loader alone {1 / loading:.1f} batches/s, training {1 / step:.1f}: {ahead:.1f} times")
    print(f"stepper {1e3 * step:.1f} ms, by hand {1e3 * usual:.1f} ms: {overhead:+.1%}")
    print(f"calls of a step: {dict(calls[0])}, by hand {dict(calls[1])}")
    sys.exit(ahead < AHEAD or overhead > OVERHEAD or calls[0] != calls[1])


def by_hand(model: Model, batch: Batch) -> Callable[[], object]:
    """One step as it is usually written: critic on real and fake, then the generator."""
    generator, critic = model.generator, model.critic
    moves = {
        net: torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (generator, critic)
    }

    def judged(candidate: torch.Tensor, label: float) -> torch.Tensor:
        scores = critic(torch.cat([batch.noisy, candidate], 1))
        return binary_cross_entropy_with_logits(scores, torch.full_like(scores, label))

    def step() -> None:
        fake = generator(batch.noisy)
        critic.requires_grad_(True)
        moves[critic].zero_grad()
        (judged(batch.clean, 1.0) + judged(fake.detach(), 0.0)).backward()
        moves[critic].step()
        critic.requires_grad_(False)
        moves[generator].zero_grad()
        (judged(fake, 1.0) + 100 * l1_loss(fake, batch.clean)).backward()
        moves[generator].step()

    return step


def _calls(model: Model, step: Callable[[], object]) -> Counter[str]:
    """How often a step calls each network; the first step, which is slower, is this one."""
    found: Counter[str] = Counter()

    def counted(name: str) -> Callable[..., None]:
        return lambda *_: found.update([name])

    networks: dict[str, nn.Module] = {"generator": model.generator, "critic": model.critic}
    hooks = [net.register_forward_hook(counted(name)) for name, net in networks.items()]
    step()
    for hook in hooks:
        hook.remove()
    return found


def _model(options: argparse.Namespace) -> Model:
    model = network(job(Path("data"), Path("run"), model=options.model))
    return model.to(memory_format=torch.channels_last)


def _samples(options: argparse.Namespace, folder: Path) -> Samples:
    """Of made images as large as a slice of MR."""
    for number in range(4):
        write_image(folder / "data" / f"sub-{number}" / "a.nii.gz", number, shape=(256, 224, 12))
    asked = job(folder / "data", folder, patch=(options.patch,), batch=(options.batch,))
    inputs = Inputs.of([folder / "data"])
    with Workers(1) as workers:
        data = gather(inputs.root, find(inputs, workers, Log(quiet=True)))
    slices = cached(data.cases, folder / "cache", report=lambda line: None, stop=Stop())
    return Samples.of(asked, _model(options), slices, Pairing.of(asked, "MR"))


def _once(do: Callable[[], object]) -> float:
    start = time.process_time()
    do()
    return time.process_time() - start


def _seconds(do: Callable[[], object], times: int) -> float:
    return median(_each(do, times))


def _each(do: Callable[[], object], times: int) -> Iterator[float]:
    do()
    for _ in range(times):
        yield _once(do)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default=TINY, help="a spec of dgan")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=30, help="steps of each that are timed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
