"""What the checkpoints of a run say about themselves."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medclean import checkpoints
from medclean.archive.dataset import Case, Dataset
from medclean.catalog import MODELS
from medclean.checkpoints import Card
from medclean.errors import MissingError
from medclean.inference.constancy import reading
from medclean.jobs._setting import values
from medclean.jobs.train import TrainJob
from medclean.learning.processes import rank, world_size
from medclean.models._base import Model
from medclean.options import parse
from medclean.signals import Stop
from medclean.training import state
from medclean.training.machine import Machine
from medclean.training.samples import normaliser_for
from medclean.training.validation import FLOAT32, Validation, denoised, engine, rms

BEFORE = "before"  # of the figures of the weights that a run begins with
RIVALS = ("nlm", "bm3d")  # filters that a network is measured against
STORED = 4096  # units that the scale of a 12-bit image has


def card_of(
    job: TrainJob,
    model: Model,
    data: Dataset,
    parts: Mapping[str, Sequence[Case]],
    *,
    noise: Sequence[str],
    steps: int,
    where: Machine,
) -> Card:
    """All that is known before the first step; ``parts`` has the cases that are learnt from."""
    about = data.description
    return Card(
        model=parse(job.model)[0],
        options=asdict(model.options),
        modality=data.modality,
        normaliser=normaliser_for(data.modality, data.normaliser),
        body_parts=data.body_parts,
        data=list(about.get("SourceDatasets", ())) or [_unnamed(about)],
        patients={name: len({case.patient for case in cases}) for name, cases in parts.items()},
        noise=", then ".join(noise),
        training={
            **_settings(job),
            "init": _init(job, data.modality),
            "steps": steps,
            "device": where.device.type,
            "precision": where.precision,
            "processes": world_size(),
            "torch": torch.__version__,
        },
        version=_version(),
        licence=str(about.get("License", "")),
    )


def judge(
    job: TrainJob, test: Validation | None, device: torch.device, stop: Stop
) -> tuple[Path, Card]:
    """Put into the card of the best checkpoint how good it is on the test split.

    Beside it stand the noisy images themselves, what the weights that the run began with make of
    them, and filters that are told the true sigma. And what the network makes of the built-in slice
    tells wherever it goes whether it still does. What was judged before is not judged again.

    Returns:
        The best checkpoint, and its card.
    """
    model, card, _ = checkpoints.load(str(job.out))
    best = checkpoints.find(str(job.out))
    if card.constancy:
        return best, card
    card = replace(card, constancy=reading(model, card))
    if test is not None:
        model.to(device)
        few = replace(test, count=4)
        scores = {"test": test.scores(model, device, stop), "noisy": test.before()}
        with suppress(MissingError):  # a run that went on needs what it began with no more
            if job.init is not None:
                begun = checkpoints.load(job.init, card.modality).model.to(device)
                scores[BEFORE] = test.scores(begun, device, stop)
        metrics = {**card.metrics, **scores, **_rivals(test, stop)}
        card = replace(card, metrics=metrics, bf16=bf16_difference(model, few, device))
    if rank() == 0:
        checkpoints.write_card(best, card)
    return best, card


def _rivals(test: Validation, stop: Stop) -> dict[str, dict[str, float]]:
    """Scores of the filters that are installed."""
    found = {}
    for name in RIVALS:
        with suppress(MissingError):
            found[name] = test.scores(Model.of(MODELS.make(name)), torch.device("cpu"), stop)
    return found


def told(card: Card) -> Iterator[str]:
    """The figures of the test split, a line each, beside those of all that ``judge`` compares."""
    rows = {card.model: card.metrics.get("test", {})}
    beside = (name for name in (BEFORE, *RIVALS, "noisy") if name in card.metrics)
    rows |= {name: card.metrics[name] for name in beside}
    for figure in rows[card.model]:
        values = (f"{name} {scores[figure]:.4g}" for name, scores in rows.items())
        yield f"test, {figure}: {', '.join(values)}"


def bf16_difference(model: Model, held: Validation, device: torch.device) -> dict[str, float]:
    """What bfloat16 changes, as ``medclean.device.precision`` judges it.

    Returns:
        ``noise``, RMS of the change as a share of the noise that is removed, and ``bias``, the
        mean change in stored units of a 12-bit image; each of the worst slice.
    """
    noise, bias = [0.0], [0.0]
    full, half = (engine(model, held.normaliser, device, bf16=bf16) for bf16 in (False, True))
    for _, pair in held:
        exact, rounded = denoised(full, pair), denoised(half, pair)
        scale = float(pair.given.scale)
        removed = (exact - pair.noisy[len(pair.noisy) // 2]).astype(np.float64)
        change = (rounded - exact).astype(np.float64)
        noise.append(rms(change) / max(rms(removed), scale * FLOAT32))
        bias.append(abs(float(change.mean())) / scale * STORED)
    return {"noise": max(noise), "bias": max(bias)}


def _settings(job: TrainJob) -> dict[str, Any]:
    kept = values(job, "result").items()
    return {key: value for key, value in kept if key not in ("model", "noise", "patient", "init")}


def _init(job: TrainJob, modality: str) -> str | None:
    """The weights that a run began with: a name of the catalogue, or the SHA-256 of a file.

    The file's name would go wherever the card goes, and might be a patient's.
    """
    if job.init is None or job.init in MODELS:
        return job.init
    with suppress(MissingError):
        if state.begun(job.out):  # it needs that file no more
            training = checkpoints.read_card(job.out / "last.safetensors").training
            before: str | None = training["init"]
            return before
        return checkpoints.read_card(checkpoints.find(job.init, modality)).sha256
    return None


def _unnamed(about: Mapping[str, Any]) -> dict[str, Any]:
    return {"Name": about.get("Name", "not stated"), "License": about.get("License", "not stated")}


def _version() -> str:
    try:
        return version("medclean")
    except PackageNotFoundError:  # a copy of the source that was not installed
        return "not installed"
