"""One stack of a series as a data set has it: its files, and what is known of it."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from medclean.archive.about import About
from medclean.archive.acquisition import allowed, suffix_of
from medclean.archive.nifti.create import LABEL, creating
from medclean.archive.nifti.header import ESTIMATE
from medclean.archive.series import Group, Series
from medclean.archive.stacks import Stored
from medclean.errors import DataError
from medclean.files import make_folder, sha256_of, write_whole
from medclean.inference.statistics import Summary, statistics, summarise, together
from medclean.physics.signal.body import body_mask
from medclean.physics.signal.noise_level import middle, noise_level, series_noise_level
from medclean.preprocess.bias import Field
from medclean.preprocess.resample import Cropped
from medclean.preprocess.stack import Stack, slabs, spacing_of
from medclean.volume import Image, Mask

FOLDERS = {"MR": "anat", "CT": "ct", "PT": "pet"}  # of BIDS, which has no place of its own for CT
SUFFIXES = {"MR": "MR", "CT": "ct", "PT": "pet"}


@dataclass(frozen=True)
class How:
    """What is done to every stack; see the job's fields of these names.

    Attributes:
        seconds: Time limit of dcm2niix.
    """

    converter: Literal["dcm2niix", "medclean"]
    bias: Literal["n4", "none"]
    suv: bool
    resample: float | None
    isotropic: float | None
    crop: int | None
    force: bool
    seconds: float


@dataclass(frozen=True)
class Task:
    """One stack, and what becomes of it.

    Attributes:
        root: What the series' paths are relative to.
        series: Without files that occur twice.
        group: The stack.
        about: Of the series.
        how: What is done to it.
        name: Entities of its name: ``sub-..._ses-..._acq-...``.
        into: Staging folder; what lies below it gets final names.
    """

    root: Path
    series: Series
    group: Group
    about: About
    how: How
    name: str
    into: Path


@dataclass(frozen=True)
class Made:
    """What became of a stack.

    Attributes:
        files: SHA-256 by path of what lies in the staging folder.
        entry: What ``cases.json`` says of it, as far as it follows from itself.
        middle: The slice in the middle, in real-world units.
    """

    files: dict[str, str]
    entry: dict[str, Any]
    middle: Image


@dataclass
class _Measured:
    """What a pass over the slices finds."""

    voxels: int
    summary: Summary = field(default_factory=lambda: Summary(0, np.empty(0, np.float32), ()))
    noise: list[float] = field(default_factory=list)
    body: int = 0


def written(
    task: Task, stored: Stored, stack: Stack, steps: list[dict[str, Any]], field_: Field | None
) -> Made:
    """Write the image, what belongs to it, and what is known of it."""
    about, modality, in_time = task.about, task.series.modality, task.group.in_time
    stated = stored.stated or {}
    suffix = about.suffix or suffix_of(stated.get("BidsGuess")) or SUFFIXES[modality]
    stem = f"{task.name}_{suffix}"
    sub, ses = task.name.split("_")[:2]
    folder = f"images/{sub}/{ses}/{FOLDERS[modality]}"
    make_folder(task.into / folder)
    files = {
        "image": f"{folder}/{stem}.nii.gz",
        "sidecar": f"{folder}/{stem}.json",
        "mask": f"{folder}/{task.name}_desc-body_mask.nii.gz",
    }
    measured = _write_image(task, stored, stack, files)
    if field_:
        files["bias_field"] = f"{folder}/{task.name}_desc-log_biasfield.nii.gz"
        where = field_.affine(_before_crop(stack).affine)
        kind = np.dtype(np.float32)
        path = task.into / files["bias_field"]
        with creating(path, field_.log.shape, kind, where, intent=ESTIMATE) as put:
            put(field_.log)
    acquired = {**allowed(stated), **about.acquisition}
    part = about.body_part
    sidecar = {"Modality": modality, **({"BodyPart": part.upper()} if part else {}), **acquired}
    write_whole(
        task.into / files["sidecar"], json.dumps(sidecar, indent=1).encode() + b"\n", lasting=False
    )
    scale = statistics(measured.summary, modality).scale
    noise = series_noise_level(measured.noise)
    entry = {
        "case": stem,
        "modality": modality,
        "unit": unit_of(task),
        "body_part": part,
        "shape": list(stack.shape),
        "in_time": in_time,
        "spacing": [round(side, 6) for side in spacing_of(stack.affine)],
        "affine": np.round(stack.affine, 6).tolist(),
        "scale": scale,
        "noise": noise,
        "noise_share": noise / scale,
        "body_share": measured.body / measured.voxels,
        "files": files,
        "steps": steps,
        "acquisition": acquired,
        "noisy": about.noisy,
        "checks": {
            "converter": stored.by,
            "why_not_dcm2niix": stored.why,
            "notes": list(task.series.notes),
        },
    }
    image = stack.slab(stack.shape[0] // 2, stack.shape[0] // 2 + 1)[0]
    return Made({path: sha256_of(task.into / path) for path in files.values()}, entry, image)


def _write_image(task: Task, stored: Stored, stack: Stack, files: dict[str, str]) -> _Measured:
    """Write image and mask in one pass, which also measures; values that no step changed stay."""
    in_time, plain = task.group.in_time, stack is stored
    dtype = stored.values.dtype if plain else np.dtype(np.float32)
    byte = np.dtype(np.uint8)
    measured = _Measured(int(np.prod(stack.shape)))
    with ExitStack() as opened:
        begin: Callable[..., Any] = opened.enter_context
        image = begin(
            creating(
                task.into / files["image"],
                stack.shape,
                dtype,
                stack.affine,
                in_time=in_time,
                slope=stored.slope if plain else 1.0,
                intercept=stored.intercept if plain else 0.0,
            )
        )
        mask = begin(
            creating(
                task.into / files["mask"],
                stack.shape,
                byte,
                stack.affine,
                in_time=in_time,
                intent=LABEL,
            )
        )
        for start, real in slabs(stack):
            if not np.isfinite(real).all():
                raise DataError("it has values that are no numbers")
            image(np.asarray(stored.values[start : start + len(real)]) if plain else real)
            for body in _measure(task.series.modality, start, real, stack.shape[0], measured):
                mask(body[None].astype(byte))
    return measured


def _measure(
    modality: str, start: int, images: Any, slices: int, measured: _Measured
) -> Iterator[Mask]:
    """Note what some slices add to the figures of all; yields where the body is in each."""
    if modality != "CT":
        new = summarise(images, None, total=measured.voxels, noise=False)
        measured.summary = together(measured.summary, new, total=measured.voxels)
    for place, image in enumerate(images, start):
        if place in middle(slices):
            measured.noise.append(noise_level(image))
        body = body_mask(image, modality)
        measured.body += int(np.count_nonzero(body))
        yield body


def _before_crop(stack: Stack) -> Stack:
    return stack.source if isinstance(stack, Cropped) else stack


def unit_of(task: Task) -> str:
    if task.series.modality != "PT":
        return task.series.unit
    return "g/ml" if task.how.suv else "Bq/ml"
