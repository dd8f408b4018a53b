"""The story of ``medclean train``."""

from pathlib import Path

from medclean.archive import dataset
from medclean.files import write_whole
from medclean.jobs._setting import values
from medclean.jobs.train import TrainJob
from medclean.log import Log
from medclean.signals import stop_on_signals
from medclean.training import begin, cards, state
from medclean.training.loop import Run
from medclean.training.machine import machine
from medclean.training.noise import Noise
from medclean.training.record import toml
from medclean.training.samples import Samples, batches
from medclean.training.slices import cached
from medclean.training.validation import Validation


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
        WriteError: The output cannot be written.
        GateCrossed: The training diverged.
        Stopped: A signal said so; the run can be resumed.
    """
    found = dataset.find(job.dataset, patient=job.patient, modality=job.modality)
    if found.one_patient:
        log.warn(f"nothing tells the patients in {job.dataset} apart: they count as one")
    parts = dataset.split(found, job.shares, job.seed)
    modality, noise = dataset.modality_of(found.cases), Noise(job.noise)
    model, where = begin.network(job, modality), machine(job.device, job.precision, job.workers)

    state.claim(job.out, values(job, "result", "form"), resume=job.resume)
    settings = {key: value for key, value in values(job).items() if key != "resume"}
    write_whole(job.out / "job.toml", toml(settings).encode())
    with stop_on_signals() as stop:
        samples = {
            name: Samples(
                slices=cached(cases, job.out / "state" / name, report=log.say, stop=stop),
                noise=noise,
                patch=job.patch,
                batch=job.batch,
                context=model.context,
                seed=job.seed,
            )
            for name, cases in parts.items()
            if cases
        }
        held = {name: Validation(samples[name]) for name in samples}
        card = cards.card_of(job, model, found, parts, modality=modality)
        run = Run(job, model, where, card=card, held=held.get("validation"))
        if run.resume():
            log.say(f"going on after step {run.stepper.done} of {job.steps}")
        with log.bar("training", job.steps - run.stepper.done, "step") as bar:
            stream = batches(samples["train"], run.stepper.drawn, where)
            run.learn(stream, bar=bar, say=log.say, stop=stop)
    return cards.judge(job.out, held.get("test"), where.device)
