"""What a run begins with, tried before anything is written."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from medclean import checkpoints
from medclean.catalog import MODELS, SCHEDULES
from medclean.errors import DataError, MissingError, UsageError
from medclean.inference.ladder import running_out_as
from medclean.jobs.train import TrainJob
from medclean.learning.recompute import recompute
from medclean.learning.schedules.plateau import Plateau
from medclean.learning.stepper import Precision
from medclean.models._base import Model
from medclean.training import state
from medclean.training.pairs import Pairing
from medclean.training.slices import Slices


def network(job: TrainJob) -> Model:
    """What ``job.model`` names, with weights from the seed.

    Raises:
        UsageError: No such model or option, or nothing in it learns.
        MissingError: There is not the memory for its weights.
    """
    large = MissingError(f"the weights of {job.model} do not fit into memory")
    with torch.random.fork_rng(devices=[]), running_out_as(lambda: large):
        torch.manual_seed(job.seed)
        model = Model.of(MODELS.make(job.model))
    if not model.turns(0.0):
        names = [name for name in MODELS if MODELS.entry(name).facts["kind"] in ("network", "gan")]
        raise UsageError(f"{job.model} has nothing to train; networks are {', '.join(names)}")
    return model


def located(job: TrainJob) -> TrainJob:
    """The same job; the file that it starts from means the same wherever it is said again."""
    if job.init is None or (job.init in MODELS and not Path(job.init).exists()):
        return job
    return replace(job, init=os.path.abspath(job.init))


def precision(job: TrainJob) -> Literal["auto"] | Precision:
    """What to compute in; a run that goes on keeps what it began with, on whatever machine."""
    before = state.settings(job.out) if job.resume and job.precision == "auto" else None
    return job.precision if before is None else before["precision"]


def initialise(model: Model, job: TrainJob, modality: str) -> None:
    """Give a model the weights of ``job.init``, where that is asked for and the run begins.

    A run that goes on needs that file no more.

    Args:
        model: As ``network`` made it.
        job: What is asked.
        modality: Of the images, to pick ``job.init`` where it is a name.

    Raises:
        MissingError: ``job.init`` is not there, damaged, or of another architecture.
    """
    if job.init is None or (job.resume and state.begun(job.out)):
        return
    found = checkpoints.weights(job.init, modality)
    try:
        checkpoints.put(model, found, job.init)
    except MissingError as error:
        card = checkpoints.read_card(checkpoints.find(job.init, modality))
        raise MissingError(f"--init {error}: --model '{checkpoints.spec_of(card)}'") from None


def prepare(job: TrainJob, model: Model) -> None:
    """Have a network recompute its activations, or be compiled, as asked.

    Raises:
        UsageError: It has nothing to recompute.
        MissingError: There is no compiler.
    """
    if job.recompute:
        if not model.segments:
            raise UsageError(
                f"{job.model} has no part that could be computed twice: leave --recompute out, and "
                "use a smaller --batch with --accumulate"
            )
        recompute(model.segments)
    if job.compile:
        if not shutil.which(os.environ.get("CXX", "g++")):
            raise MissingError(
                "--compile found no C++ compiler: install g++, name another in CXX, or leave it out"
            )
        for network in model.children():
            network.compile()


def check_batches(job: TrainJob, processes: int) -> None:
    """See that each process gets as many patches of every batch, so that means are means.

    Raises:
        UsageError: The batches cannot be divided.
    """
    for batch in job.batch:
        if batch % processes:
            fitting = -(-batch // processes) * processes
            raise UsageError(
                f"a batch of {batch} patches cannot be divided among {processes} processes; "
                f"say --batch {fitting}"
            )


def check_patches(job: TrainJob, model: Model, processes: int) -> None:
    """See that who plays in each part of the run can judge its patches, and has enough of them.

    Raises:
        UsageError: A patch is too small, or alone where batch norm needs another.
    """
    normed = any(isinstance(layer, nn.BatchNorm2d) for layer in model.modules())
    for part, (patch, batch) in enumerate(zip(job.patch, job.batches, strict=True), start=1):
        if not patch:
            continue  # a whole slice: see `check_slices`
        if normed and batch == processes and patch <= model.stride > 1:
            raise UsageError(
                f"the batch norm of {job.model} has one value of a single patch of {patch} pixels "
                f"at its coarsest level, which has no spread; say --patch {2 * model.stride} or "
                f"--batch {2 * processes}"
            )
        least = _least(job, model, part)
        if patch < least:
            raise UsageError(
                f"the critic of {job.model} cannot judge patches of {patch} pixels; "
                f"say --patch {least} or more"
            )


def check_levels(job: TrainJob, model: Model, pairing: Pairing) -> None:
    """See that the noise level of each image is known where the model learns from it.

    Raises:
        UsageError: It is not.
    """
    if model.needs_sigma and not pairing.told:
        raise UsageError(
            f"{job.model} learns from the noise level of each image, which "
            f"{' and '.join(pairing.specs(job))} does not tell; add a --noise with a sigma, such "
            "as gaussian:sigma=0..0.3"
        )


def check_slices(job: TrainJob, model: Model, slices: Slices) -> None:
    """See that who plays where whole slices are learnt from can judge them.

    Raises:
        DataError: A slice is too small for one.
    """
    parts = [part for part, patch in enumerate(job.patch, start=1) if not patch]
    least = max((_least(job, model, part) for part in parts), default=1)
    for series in slices.series:
        for axis in sorted({axis for axis, _ in series.slices}):
            rows, columns = slices.shape(series, axis)
            if min(rows, columns) < least:
                raise DataError(
                    f"the critic of {job.model} cannot judge the slices of {series.name}, which "
                    f"are {rows}x{columns}; say --patch {least} or more"
                )


def _least(job: TrainJob, model: Model, part: int) -> int:
    """Pixels along each side that those need who play at the end of a part of the run, from 1."""
    turns = model.turns(part / len(job.patch) - 1e-9)
    return max(turn.least for turn in turns if turn.repeats)


def check_schedule(job: TrainJob, *, validates: bool) -> None:
    """See that the learning rate can move as asked, and that the run can end as asked.

    Args:
        job: What is asked.
        validates: Whether patients are held out for validation.

    Raises:
        UsageError: No such schedule, or one that follows a validation which there is not.
    """
    follows = isinstance(SCHEDULES.make(job.schedule), Plateau) or job.patience is not None
    if follows and not validates:
        raise UsageError(
            "--patience and the schedule plateau follow the validation, and no patient is held out "
            "for one; expected more patients and a --validation above 0, or another schedule"
        )
