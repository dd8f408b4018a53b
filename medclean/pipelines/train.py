"""The story of ``medclean train``."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from medclean.archive.cases import CASES
from medclean.archive.dataset import Case, Dataset, check_modality, gather, prepared, split
from medclean.archive.limits import Limits, limited, limits
from medclean.archive.runs import refuse_overlap
from medclean.archive.runs.lock import hold
from medclean.archive.splits import shares_of
from medclean.archive.unpaired import pools
from medclean.archive.workers import Workers
from medclean.checkpoints import Card
from medclean.device import processors
from medclean.errors import UsageError, WriteError
from medclean.files import write_whole
from medclean.jobs._setting import values
from medclean.jobs.train import TrainJob
from medclean.learning.processes import by_first
from medclean.log import Log
from medclean.models._base import Model
from medclean.pipelines import _own_page
from medclean.pipelines._inputs import Inputs, find
from medclean.signals import Stop, stop_on_signals
from medclean.training import begin, cards, seeds, sources, state
from medclean.training.loop import Run
from medclean.training.machine import Machine, machine
from medclean.training.pairs import Pairing
from medclean.training.record import settings
from medclean.training.samples import Samples, batches
from medclean.training.slices import Slices, cached
from medclean.training.validation import Validation
from medclean.training.versions import Kept
from medclean.training.world import World, joined

RESUME = "add --resume to the same command"


def train(job: TrainJob, log: Log) -> Path:
    """Train a network on a folder of clean images.

    Returns:
        The best checkpoint; of several runs, the file that sums them up.

    Args:
        job: What is asked.
        log: Told what is taken, and how far the run is.

    Raises:
        UsageError: A setting that cannot be, or an output folder of another run.
        NothingToDo: No image in the folder.
        DataError: Too few patients, or no image that is clean enough.
        MissingError: No such device, or ``init`` is of another architecture.
        WriteError: The output cannot be written, or a job that runs holds it.
        GateCrossed: The training diverged.
        Stopped: A signal said so; the run can be resumed.
    """
    job = begin.located(job)
    with _to_be_resumed(), limited(Limits.of(job.limits)), joined(os.environ) as world:
        log = log if world.rank == 0 else Log(quiet=True)
        where = machine(job.device, begin.precision(job), job.workers, tf32=job.tf32, world=world)
        job = replace(job, precision=where.precision)
        if job.seeds == 1:
            return _train(job, log, world, where)[0]
        found = {}
        with ExitStack() as held:
            by_first(lambda: held.enter_context(seeds.claimed(job)))
            for seed, one in job.each.items():
                log.say(f"seed {seed}, in {one.out}")
                found[seed] = _train(one, log, world, where)[1]
        for line in seeds.told(found):
            log.say(line)
        return by_first(lambda: seeds.write(job, found))


@contextmanager
def _to_be_resumed() -> Iterator[None]:
    """What cannot be written says how to go on once it can."""
    try:
        yield
    except WriteError as error:
        error.again = RESUME
        raise


def _train(job: TrainJob, log: Log, world: World, where: Machine) -> tuple[Path, Card]:
    """What each process does; the first of them looks, writes and speaks for all."""
    begin.check_batches(job, world.size)
    model = begin.network(job)
    begin.check_patches(job, model, world.size)
    refuse_overlap(job.out, [job.dataset])
    data = by_first(lambda: _dataset(job, log))
    pairing = Pairing.of(job, data.modality)
    begin.check_levels(job, model, pairing)
    parts = split(data, shares_of(job.validation, job.test), job.split_seed)
    if model.learns_from == "unpaired":
        two = pools(parts["train"], data.pools, job.split_seed)
        parts |= {"train": two["noisy"], "clean": two["clean"]}
    specs = pairing.specs(job)
    if specs != [*job.noise]:
        log.say(f"what makes {data.modality} images noisy: {', then '.join(specs)}")
    begin.initialise(model, job, data.modality)
    begin.check_schedule(job, validates=bool(parts["validation"]))
    begin.prepare(job, model)
    with ExitStack() as held, stop_on_signals(RESUME) as stop:
        by_first(lambda: _claimed(job, held))
        kept = {part: pairing.kept(job, part, str(where.device)) for part in parts}
        slices = by_first(lambda: _cached(job, model, parts, kept, log, stop))
        used = {name: slices[name].of(cases) if cases else [] for name, cases in parts.items()}
        clean = slices.pop("clean", None)
        samples = {name: Samples.of(job, model, slices[name], pairing) for name in slices}
        samples["train"] = replace(samples["train"], others=clean)
        judges = {name: Validation(samples[name]) for name in samples}
        steps = job.length(sum(len(series.slices) for series in slices["train"].series))
        card = cards.card_of(job, model, data, used, noise=specs, steps=steps, where=where)
        run = Run(job, model, where, steps=steps, card=card, held=judges.get("validation"))
        if run.resume():
            log.say(f"going on after step {run.stepper.done} of {steps}")
        with log.bar("training", steps - run.stepper.done, "step") as bar:
            own = samples["train"].staged(run.stepper.parts(len(job.patch)), world[:2])
            stream = batches(own, run.stepper.drawn, where)
            run.learn(stream, bar=bar, say=log.say, stop=stop)
        best, card = cards.judge(job, judges.get("test"), where.device, stop)
        for line in cards.told(card):
            log.say(line)
        if job.report and world.rank == 0:
            _own_page.write_training(job.out, log)
        return best, card


def _claimed(job: TrainJob, held: ExitStack) -> None:
    """Make the output folder ours, and hold it as long as the run lasts."""
    state.claim(job.out, values(job, "result", "form"), resume=job.resume)
    held.enter_context(hold(job.out / "state", None, "train", os.environ))
    state.tidy(job.out)
    write_whole(job.out / "job.toml", settings(job))


def _cached(
    job: TrainJob,
    model: Model,
    parts: Mapping[str, Sequence[Case]],
    kept: Mapping[str, Kept],
    log: Log,
    stop: Stop,
) -> dict[str, Slices]:
    """The slices of each split that has cases, with the noisy versions that are kept."""
    with state.given_up(job.out):
        sources.claim(job.out / "state", parts)
        found = {
            name: cached(
                cases,
                job.out / "state" / name,
                report=log.say,
                stop=stop,
                kept=kept[name],
            )
            for name, cases in parts.items()
            if cases
        }
        begin.check_slices(job, model, found["train"])
        return found


def _dataset(job: TrainJob, log: Log) -> Dataset:
    """The images in the data set's folder, and whose they are."""
    if (job.dataset / CASES).is_file():
        return prepared(job.dataset, modality=job.modality, fold=job.fold, pairs=job.pairs)
    for flag, given in (("--fold", job.fold is not None), ("--pairs", job.pairs)):
        if given:
            raise UsageError(f"{flag}: {job.dataset} was not made by `medclean prepare`")
    inputs = Inputs.of([job.dataset])
    within = limits()
    memory = within.memory or None
    with Workers(processors(), seconds=within.seconds, limit_bytes=memory) as workers:
        scan = find(inputs, workers, log, modality=job.modality)
    for left in scan.left_out:
        if left.status == "failed":
            log.warn(f"{left.path} is left out: {left.reason}")
    data = gather(inputs.root, scan, patient=job.patient)
    check_modality(job.modality, job.dataset, {data.modality})
    if data.one_patient:
        log.warn(f"nothing tells the patients in {job.dataset} apart: they count as one")
    return data
