"""The story of ``medclean train``."""

import os
from pathlib import Path

from medclean.archive.dataset import Dataset, gather, split
from medclean.archive.runs import refuse_overlap
from medclean.archive.runs.lock import hold
from medclean.archive.workers import Workers
from medclean.device import processors
from medclean.files import write_whole
from medclean.jobs._setting import values
from medclean.jobs.train import TrainJob
from medclean.log import Log
from medclean.pipelines._inputs import Inputs, find
from medclean.signals import stop_on_signals
from medclean.training import begin, cards, state
from medclean.training.loop import Run
from medclean.training.machine import machine
from medclean.training.noise import Noise
from medclean.training.record import toml
from medclean.training.samples import Samples, batches
from medclean.training.slices import cached
from medclean.training.validation import Validation

AGAIN = "add --resume to the same command"


def train(job: TrainJob, log: Log) -> Path:
    """Train a network on a folder of clean images; returns the best checkpoint.

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
    noise = Noise(*job.noise)
    where = machine(job.device, job.precision, job.workers, tf32=job.tf32)
    refuse_overlap(job.out, [job.dataset])
    data = _dataset(job, log)
    noise.try_on(data.modality)
    parts, model = split(data, job.shares, job.seed), begin.network(job, data.modality)
    begin.check_schedule(job, validates=bool(parts["validation"]))
    begin.prepare(job, model)
    state.claim(job.out, values(job, "result", "form"), resume=job.resume)
    with hold(job.out / "state", None, "train", os.environ), stop_on_signals(AGAIN) as stop:
        write_whole(job.out / "job.toml", toml(values(job)).encode())
        with state.given_up(job.out):
            slices = {
                name: cached(cases, job.out / "state" / name, report=log.say, stop=stop)
                for name, cases in parts.items()
                if cases
            }
        samples = {name: Samples.of(job, slices[name], noise, model.context) for name in slices}
        held = {name: Validation(samples[name]) for name in samples}
        steps = job.length(sum(len(series.slices) for series in slices["train"].series))
        card = cards.card_of(job, model, data, parts, steps=steps)
        run = Run(job, model, where, steps=steps, card=card, held=held.get("validation"))
        if run.resume():
            log.say(f"going on after step {run.stepper.done} of {steps}")
        with log.bar("training", steps - run.stepper.done, "step") as bar:
            stages = run.stepper.parts(len(job.patch))
            stream = batches(samples["train"].staged(stages), run.stepper.drawn, where)
            run.learn(stream, bar=bar, say=log.say, stop=stop)
        return cards.judge(job.out, held.get("test"), where.device, stop)


def _dataset(job: TrainJob, log: Log) -> Dataset:
    """The images in the data set's folder, and whose they are."""
    inputs = Inputs.of([job.dataset])
    with Workers(processors()) as workers:
        scan = find(inputs, workers, log, modality=job.modality)
    for left in scan.left_out:
        if left.status == "failed":
            log.warn(f"{left.path} is left out: {left.reason}")
    data = gather(inputs.root, scan, patient=job.patient)
    if data.one_patient:
        log.warn(f"nothing tells the patients in {job.dataset} apart: they count as one")
    return data
