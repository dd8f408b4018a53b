"""Checkpoints: weights as safetensors, and a card beside them that says what they are.

Listing what is shipped reads the cards alone and loads no torch. Nothing here unpickles.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from medclean.catalog import MODELS
from medclean.errors import MissingError, UsageError
from medclean.files import write_whole, writing
from medclean.options import written

if TYPE_CHECKING:
    from torch import Tensor

    from medclean.models._base import Model

SHIPPED = Path(__file__).parent / "weights"
PICKLES = {".pt", ".pth", ".ckpt", ".pkl"}


@dataclass(frozen=True)
class Card:
    """What a checkpoint says about itself.

    Attributes:
        model: Name in the catalogue.
        options: Of the model, as JSON.
        modality: That it was trained for.
        normaliser: How images were brought to its range; ``"scale"`` divides by it.
        body_parts: In the training images.
        data: What it was trained on: at least name and licence of each source.
        patients: How many were trained on, validated with and tested with.
        noise: The spec of the training.
        training: Settings of the run, steps done, versions.
        metrics: On held-out patients, by split and name.
        bf16: Measured difference from float32: ``noise``, RMS as a share of the noise that is
            removed, and ``bias``, in stored units of a 12-bit image.
        constancy: What it makes of a built-in slice, for ``medclean doctor --self-test``.
        version: Of medclean.
        licence: Of the weights.
        sha256: Of the safetensors file; filled in by ``save``.
        format: Of this card.
    """

    model: str
    options: Mapping[str, Any]
    modality: str
    normaliser: str = "scale"
    body_parts: Sequence[str] = ()
    data: Sequence[Mapping[str, Any]] = ()
    patients: Mapping[str, int] = field(default_factory=dict)
    noise: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    bf16: Mapping[str, float] | None = None
    constancy: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    licence: str = ""
    sha256: str = ""
    format: int = 1


class Loaded(NamedTuple):
    """A model with its weights, ready to denoise."""

    model: "Model"
    card: Card
    sha256: str


def shipped() -> dict[str, Card]:
    """The cards of the checkpoints that come with medclean, by name: ``"dgan-mr"``."""
    return {path.stem: read_card(path) for path in sorted(SHIPPED.glob("*.json"))}


def stems() -> list[str]:
    """The names of the checkpoints that come with medclean, also of one that lacks a file."""
    files = (path for path in SHIPPED.iterdir() if path.suffix in (".json", ".safetensors"))
    return sorted({path.stem for path in files})


def pick(name: str, modality: str) -> Path:
    """The shipped checkpoint of a model for a modality.

    Raises:
        MissingError: None is shipped.
    """
    path = SHIPPED / f"{name}-{modality.lower()}.safetensors"
    if path.is_file():
        return path
    others = [card.modality for card in shipped().values() if card.model == name]
    known = f"there are some for {' and '.join(others)}" if others else "none are shipped for it"
    raise MissingError(
        f"no weights of {name} for {modality or 'any modality'}; {known}: train with "
        f"`medclean train --model {name}` and give the run's folder as --model"
    )


def find(where: str, modality: str | None = None) -> Path:
    """The file that a user means: a checkpoint, a training run's folder, or a model's name.

    Raises:
        UsageError: It is a pickle.
        MissingError: Nothing is there, no weights are shipped for a name, or a run has none yet.
    """
    path = Path(where)
    if where in MODELS and not path.exists():
        if modality is None:
            raise UsageError(f"{where} needs a modality; say --modality MR, CT or PT")
        return pick(where, modality)
    if path.is_dir():
        found = next(
            (path / n for n in ("best.safetensors", "last.safetensors") if (path / n).is_file()),
            None,
        )
        if found is None:
            raise MissingError(
                f"{path} holds no best.safetensors; expected a training run's folder"
            )
        return found
    if not path.is_file():
        raise MissingError(f"no checkpoint {where}; expected a .safetensors file or a run's folder")
    if path.suffix in PICKLES or _pickled(path):
        raise UsageError(
            f"{path.name} is a pickle, which can run code and is never loaded; convert it with "
            "safetensors.torch.save_file(state_dict, 'NAME.safetensors') where you trust it"
        )
    return path


def load(where: str, modality: str | None = None) -> Loaded:
    """A model with the weights that a user means, in evaluation mode.

    Args:
        where: As ``find`` takes it.
        modality: To pick among shipped weights.

    Raises:
        UsageError: As ``find``.
        MissingError: As ``find``; or the hash is wrong, the card is missing, or the weights are
            of another architecture.
    """
    path = find(where, modality)
    card = read_card(path)
    return Loaded(build(card, _weights(path, card), path.name), card, card.sha256)


def weights(where: str, modality: str | None = None) -> "dict[str, Tensor]":
    """The weights that a user means, without their model; raises as ``load``."""
    path = find(where, modality)
    return _weights(path, read_card(path))


def spec_of(card: Card) -> str:
    """What ``--model`` made the model of a card, without what is said by default."""
    known = MODELS.entry(card.model).options
    own = {k: v for k, v in _as_options(card.options).items() if k in known}
    said = {k: v for k, v in own.items() if v != known[k].default}
    return written(card.model, said)


def build(card: Card, tensors: "Mapping[str, Tensor]", name: str) -> "Model":
    """The model of a card with these weights.

    Raises:
        MissingError: The card has options of another version, or of another architecture.
    """
    import torch

    provided = MODELS.provided(card.model)
    try:
        options = provided.Options(**_as_options(card.options))
        with torch.device("meta"):  # a card that lies about widths costs no memory
            _check(provided(options), tensors, name)
    except (TypeError, ValueError, RuntimeError) as error:
        raise MissingError(f"{name}: options of another version of {card.model}: {error}") from None
    model: Model = provided(options)
    model.load_state_dict(dict(tensors), strict=False)
    return model.eval()


def put(model: "Model", tensors: "Mapping[str, Tensor]", name: str) -> None:
    """Load a checkpoint's weights; what only training needs keeps its own.

    Raises:
        MissingError: They are of another architecture.
    """
    _check(model, tensors, name)
    model.load_state_dict(dict(tensors), strict=False)


def _check(model: "Model", tensors: "Mapping[str, Tensor]", name: str) -> None:
    own = model.state_dict()
    wanted = {key for key in own if key.split(".")[0] not in model.training_only}
    odd = sorted(wanted - tensors.keys()) + sorted(tensors.keys() - own.keys())
    odd += [key for key in own if key in tensors and own[key].shape != tensors[key].shape]
    if odd:
        raise MissingError(
            f"{name}: weights of another architecture ({odd[0]} does not fit); give the options "
            "that it was trained with"
        )


def save(path: Path, model: "Model", card: Card) -> Card:
    """Write what inference needs of a model, and its card; each whole or not at all.

    Both are on the disk before either has its name: where the second cannot be written, the pair
    that was there before stays.

    Returns:
        The card with the SHA-256 of the weights.

    Raises:
        WriteError: One of them cannot be written.
    """
    import torch
    from safetensors.torch import save as serialise

    tensors = {
        key: value.detach().cpu().clone(memory_format=torch.contiguous_format)  # some are tied
        for key, value in model.state_dict().items()
        if key.split(".")[0] not in model.training_only
    }
    content = serialise(tensors)
    card = replace(card, sha256=sha256(content).hexdigest())
    with writing(path) as file, writing(path.with_suffix(".json")) as beside:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # so that both get their names within a moment
        beside.write(_written(card))
    return card


def read_card(path: Path) -> Card:
    """The card beside a checkpoint.

    Raises:
        MissingError: It is not there, or is no card.
    """
    path = path.with_suffix(".json")
    try:
        return Card(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise MissingError(f"no card {path.name} beside the weights; copy both files") from None
    except json.JSONDecodeError as error:
        why, step = f"is no JSON ({error})", "copy it anew from where the weights come from"
    except (ValueError, TypeError, AttributeError) as error:
        why, step = f"is no card that this version reads: {error}", "use the version that wrote it"
    raise MissingError(f"{path.name} {why}; {step}")


def write_card(path: Path, card: Card) -> None:
    """Write the card of a checkpoint."""
    write_whole(path.with_suffix(".json"), _written(card))


def _written(card: Card) -> bytes:
    return (json.dumps(asdict(card), indent=1) + "\n").encode()


def _pickled(path: Path) -> bool:
    """Whether a file begins as torch's zip or as a pickle; safetensors has ``{`` at byte 8."""
    with path.open("rb") as file:
        begin = file.read(9)
    return begin.startswith((b"PK\x03\x04", b"\x80")) and begin[8:] != b"{"


def _weights(path: Path, card: Card) -> "dict[str, Tensor]":
    """Weights whose hash is the card's."""
    from safetensors import SafetensorError
    from safetensors.torch import load as parse

    content = path.read_bytes()
    digest = sha256(content).hexdigest()
    if digest != card.sha256:
        raise MissingError(
            f"{path.name}: SHA-256 {digest[:12]}... is not the card's {card.sha256[:12]}...; "
            "the file is damaged or not the card's own: fetch both again"
        )
    try:
        return parse(content)
    except SafetensorError as error:
        raise MissingError(f"{path.name} is no safetensors file: {error}") from None


def _as_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
