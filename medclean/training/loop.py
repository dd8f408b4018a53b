"""The run: step, average, look, keep."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import inf, isinf, isnan

import torch
from torch import Tensor

from medclean import checkpoints
from medclean.catalog import SCHEDULES
from medclean.checkpoints import Card
from medclean.errors import GateCrossed, Stopped
from medclean.files import write_whole
from medclean.inference.ladder import is_out_of_memory
from medclean.jobs.train import TrainJob
from medclean.learning.batch import Batch
from medclean.learning.ema import EMA
from medclean.learning.processes import agree, gather, rank, spread
from medclean.learning.stepper import Stepper
from medclean.log import Bar
from medclean.models._base import Model
from medclean.signals import Stop
from medclean.training import curves, pictures, state
from medclean.training.machine import Machine
from medclean.training.memory import too_large
from medclean.training.record import Log, Means, Row
from medclean.training.validation import Validation
from medclean.training.watch import Watch
from medclean.training.world import stop_together

ROWS = 10  # of log.csv between two validations
EXPLODED = 100.0  # a fidelity loss this many times that of the first row has diverged
FIDELITY = ("content", "cycle")


class Run:
    """A training that can be stopped after any step and goes on as if it had not been.

    Args:
        job: What was asked; ``out`` is the folder of the run.
        model: What learns, with the weights that it begins with.
        machine: Where it computes.
        steps: Length of the run.
        card: What checkpoints say about themselves, beside their figures.
        held: Slices of other patients, None where nobody is held out.
    """

    def __init__(
        self,
        job: TrainJob,
        model: Model,
        machine: Machine,
        *,
        steps: int,
        card: Card,
        held: Validation | None = None,
    ) -> None:
        self.job, self.machine, self.card, self.held = job, machine, card, held
        self.model = model.to(machine.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
        self.ema = EMA(model, job.ema)
        self.schedule = SCHEDULES.make(job.schedule)
        self.stepper = Stepper(
            model,
            steps,
            clip=job.clip,
            accumulate=job.accumulate,
            precision=machine.precision,
            seed=job.seed,
        )
        self.progress = state.Progress()

    def resume(self) -> bool:
        """Go on from the last checkpoint; False where there is none.

        Raises:
            DataError: It is damaged, or of another version of the model.
        """
        folder = self.job.out / "state"
        stored = state.restore(folder)
        if stored is None:
            return False
        tensors, self.progress = stored
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "ema": {}, "stepper": {}}
        try:
            for key, value in tensors.items():
                part, _, name = key.partition(".")
                parts[part][name] = value
            self.model.load_state_dict(parts["model"])
            self.ema.load_state_dict(parts["ema"])
            self.stepper.load_training_state(state.of_rank(parts["stepper"], rank()))
        except (KeyError, ValueError, RuntimeError) as error:  # as torch says that it does not fit
            raise state.unfit(folder, error) from error
        return True

    def learn(
        self,
        batches: Iterator[Batch],
        *,
        bar: Bar,
        say: Callable[[str], None],
        stop: Stop,
    ) -> None:
        """Train to the end.

        Args:
            batches: From number ``stepper.drawn`` on.
            bar: Moved on at each step.
            say: Told one line a checkpoint.
            stop: Whether somebody asked to stop; looked at after each step.

        Several processes take each step together; the first of them writes.

        Raises:
            GateCrossed: A loss is not finite or exploded; the last checkpoint stays.
            MissingError: A batch does not fit into memory; the error names one that does.
            Stopped: ``stop`` said so; the state is kept.
        """
        stepper, means, watch, first = self.stepper, Means(), Watch(), rank() == 0
        spread(self.model.state_dict())
        log = Log(self.job.out / "log.csv", stepper.done, writes=first)
        while True:
            if self._due():
                self._check_weights()
                log.add({"step": stepper.done, **self._looked(stop)})
                if first:
                    self._draw(log.rows)
                self._store()
                say(f"step {stepper.done} of {stepper.steps}: {_note(log.rows[-1])}")
                for line in watch.say(self.model.turns(self._share()), log.rows[-1]):
                    say(line)
                means.begin()
            if stepper.done == stepper.steps:
                return
            if self._waited_enough():
                say(f"no better validation among the last {self.job.patience}: ended early")
                return
            stepper.lr = self.job.lr * self._rate()
            means.add(self._step(batches))
            spread(dict(self.model.named_buffers()))  # statistics, of which each had its own
            self.ema.update()
            bar.advance()
            if self._due() or stepper.done % max(1, self.job.every // ROWS) == 0:
                row = {"step": stepper.done, "lr": stepper.lr, **_mean(gather(means.take()))}
                self._check(row)
                log.add(row)
                bar.note(_note(row))
            if agree(stop.asked):
                self._store()
                stop_together(stop)

    def _step(self, batches: Iterator[Batch]) -> dict[str, Tensor]:
        try:
            return self.stepper.step(batches)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        raise too_large(self.stepper, next(batches))

    def _due(self) -> bool:
        """Whether these weights are to be validated and kept, and have not been."""
        done = self.stepper.done
        last = done == self.stepper.steps
        return self.progress.seen < done and (done % self.job.every == 0 or last)

    def _waited_enough(self) -> bool:
        """Whether as many validations as were asked for have brought nothing better."""
        scores, patience = self.progress.scores, self.job.patience
        return patience is not None and max(scores[-patience:], default=inf) <= max(
            scores[:-patience], default=-inf
        )

    def _rate(self) -> float:
        """Of the highest learning rate: a rise over the share ``warmup``, then the schedule."""
        done, warmup = self.stepper.done / self.stepper.steps, self.job.warmup
        if done < warmup:
            return min(1.0, done / warmup + 0.01)  # the first step moves something, too
        rate: float = self.schedule((done - warmup) / (1 - warmup), self.progress.scores)
        return rate

    def _looked(self, stop: Stop) -> Row:
        """As ``_look``; a run that is stopped meanwhile goes on with that."""
        try:
            return self._look(stop)
        except Stopped:
            self._store()
            raise

    def _look(self, stop: Stop) -> Row:
        """Validate the averaged weights, and keep them: always as last, at times as best."""
        scores: Row = {}
        self.model.eval()
        with self.ema.swapped(), torch.compiler.set_stance("force_eager"):  # slices of any size
            if self.held is not None:
                scores |= self.held.scores(self.model, self.machine.device, stop)
                own = self.held.losses(self.model, self._share(), self.machine.device)
                scores |= {f"validation {name}": value for name, value in own.items()}
                self._check(scores)
            mean = _mean_psnr(scores)
            earlier = self.progress.scores
            better = mean is None or mean > max(earlier, default=-inf)
            for name in ("last", "best") if better else ("last",):
                self._keep(name, {k: v for k, v in scores.items() if "/" not in k})
        self.model.train()
        known = earlier if mean is None else (*earlier, mean)
        self.progress = replace(self.progress, scores=known, seen=self.stepper.done)
        return scores

    def _share(self) -> float:
        """Of the run, as it was at the last step: its turns are judged."""
        return (self.stepper.done - 1) / self.stepper.steps

    def _draw(self, rows: Sequence[Row]) -> None:
        """Pictures of the losses, and of what the averaged weights do."""
        title = f"{self.job.out.name}: {self.stepper.done} of {self.stepper.steps} steps"
        write_whole(self.job.out / "curves.png", curves.draw(rows, title))
        if self.held is not None:
            self.model.eval()
            with self.ema.swapped(), torch.compiler.set_stance("force_eager"):
                examples = self.held.examples(self.model, self.machine.device)
            self.model.train()
            write_whole(self.job.out / "validation.png", pictures.grid(examples, title))

    def _keep(self, name: str, scores: Row) -> None:
        """Write the model as it is now as a checkpoint."""
        if rank():
            return
        done = {**self.card.training, "step": self.stepper.done}
        card = replace(self.card, metrics={"validation": scores}, training=done)
        checkpoints.save(self.job.out / f"{name}.safetensors", self.model, card)

    def _store(self) -> None:
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"ema.{name}": value for name, value in self.ema.state_dict().items()}
        own = state.by_rank(gather(self.stepper.training_state()))
        tensors |= {f"stepper.{k}": value for k, value in own.items()}
        self.progress = replace(self.progress, step=self.stepper.done)
        if rank() == 0:
            state.store(self.job.out / "state", tensors, self.progress)

    def _check(self, row: Row) -> None:
        """See by losses, and by scores of a validation, that the run has not diverged."""
        fidelity = {name: v for name, v in row.items() if name.rpartition("/")[2] in FIDELITY}
        first = self.progress.first or fidelity
        self.progress = replace(self.progress, first=first)
        for name, value in row.items():
            most = EXPLODED * first.get(name.removeprefix("validation "), inf)
            if isnan(value) or ("/" in name and (isinf(value) or value > most)):
                raise self._diverged(f"{name} is {value:.3g}")

    def _check_weights(self) -> None:
        """See that the last update, of which no loss tells yet, has left numbers."""
        for turn in self.model.turns(self._share()):
            weights = (w for network in turn.learns for w in network.state_dict().values())
            if not all(bool(weight.isfinite().all()) for weight in weights):
                raise self._diverged(f"a weight of the {turn.name} is no finite number")

    def _diverged(self, what: str) -> GateCrossed:
        return GateCrossed(
            f"diverged: {what} at step {self.stepper.done}; what was kept before stays: begin anew "
            f"in another folder, with a lower --lr than {self.job.lr:g} or with --clip 1"
        )


def _mean(rows: Sequence[Row]) -> Row:
    """The mean of each figure over the processes."""
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def _mean_psnr(scores: Row) -> float | None:
    values = [value for name, value in scores.items() if name.startswith("psnr ")]
    return sum(values) / len(values) if values else None


def _note(row: Row) -> str:
    """Losses, and the PSNR of each sigma where there is one."""
    losses = [f"{k} {v:.4g}" for k, v in row.items() if "/" in k and " " not in k]
    scores = [f"{k} {v:.2f} dB" for k, v in row.items() if k.startswith("psnr ")]
    return ", ".join(losses + scores)
