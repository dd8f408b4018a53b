"""What ``--model`` names: a filter, or a network with weights for some modalities."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medclean import checkpoints
from medclean.archive.series import Series
from medclean.catalog import MODELS, NOISES, NORMALISERS
from medclean.checkpoints import Loaded
from medclean.device import Precision
from medclean.errors import UsageError, unknown
from medclean.models._filter import Filter
from medclean.models._told import Told
from medclean.options import parse

if TYPE_CHECKING:
    from medclean.models._base import Model

TRAINED = ("gan", "network")
OWN = "own"  # kind of what medclean made: of images that networks know, with noise for example
BARE = "only --model identity takes it"  # what does not say what its images are


@dataclass(frozen=True)
class Denoiser:
    """Models by modality.

    Attributes:
        name: In the catalogue of models.
        plain: A filter or solver, which needs no weights; None for a network.
        trained: Networks by the modality that their card names.
        force: Use the only weights there are for whatever comes.
    """

    name: str
    plain: "Model | Filter | None"
    trained: Mapping[str, Loaded]
    force: bool = False

    @classmethod
    def of(cls, spec: str, *, force: bool = False) -> "Denoiser":
        """Look up and load what a user names.

        Args:
            spec: ``"nlm:sigma=0.05"``, ``"dgan"``, a checkpoint, or the folder of a training run.
            force: Use the only weights there are for whatever comes.

        Raises:
            UsageError: No such model or file, or a pickle.
            MissingError: No weights, or ones that are damaged or of another architecture.
        """
        if _is_path(spec):
            loaded = checkpoints.load(spec)
            return cls(loaded.card.model, None, {loaded.card.modality: loaded}, force)
        name, options = parse(spec)
        if name not in MODELS:
            raise unknown("model", name, MODELS)
        if MODELS.entry(name).facts["kind"] not in TRAINED:
            return cls(name, MODELS.make(spec), {}, force)
        if options:
            raise UsageError(
                f"{spec}: the options of a trained network stand in its card; "
                f"say {name}, or name a checkpoint that was trained with these"
            )
        found = {
            card.modality: checkpoints.load(str(checkpoints.pick(name, card.modality)))
            for card in checkpoints.shipped().values()
            if card.model == name
        }
        if not found:
            checkpoints.pick(name, "")
        return cls(name, None, found, force)

    @property
    def filter(self) -> Filter | None:
        """The filter that worker processes apply by themselves, if it is one."""
        return self.plain if isinstance(self.plain, Filter) else None

    @property
    def modalities(self) -> tuple[str, ...]:
        """That it has weights for; none for a filter, which takes them all."""
        return tuple(self.trained)

    @property
    def scope(self) -> str:
        """What it takes at once: ``"slice"`` or ``"series"``."""
        return str(MODELS.entry(self.name).facts["scope"])

    def refusal(self, series: Series) -> str | None:
        """Why a series is not for this model; None where it is."""
        if series.bare and self.name != "identity":
            return f"{series.bare}: {BARE}"
        if self.plain:
            return self._misfit(series) or None
        if series.modality in self.trained:
            unseen = tuple(kind for kind in series.kinds if kind != OWN)
            return self._unseen(unseen) if unseen and not self.force else None
        if self.force and len(self.trained) == 1:
            return None
        known = " and ".join(self.trained)
        modality = series.modality or "images of unknown modality (say --modality)"
        return f"no weights of {self.name} for {modality}; those for {known} need --force"

    def _misfit(self, series: Series) -> str:
        """Why the noise that a filter is told of is none of a series."""
        told = self.plain.options if self.plain else None
        if not isinstance(told, Told):
            return ""
        magnitude = "phase" not in series.kinds
        why = told.misfit(series.modality, series.unit, magnitude=magnitude)
        return why and f"{self.name}: {why}"

    def _unseen(self, kinds: tuple[str, ...]) -> str:
        return f"{self.name} was not trained on {' or '.join(kinds)} images: needs --force"

    def loaded(self, modality: str) -> Loaded:
        """The network for a modality that ``refusal`` let pass."""
        return self.trained.get(modality) or next(iter(self.trained.values()))

    def model(self, modality: str) -> "Model | Filter":
        """The model for a modality that ``refusal`` let pass."""
        return self.plain or self.loaded(modality).model

    def normaliser(self, modality: str) -> Any:
        """What brings images to a network's range; None for a model of real units."""
        if self.model(modality).in_units:
            return None
        return NORMALISERS.make(self.loaded(modality).card.normaliser)

    def measures(self, modality: str) -> bool:
        """Whether a series is looked through first: no model needs to ask what 1 means in CT."""
        model = self.model(modality)
        return model.wants_sigma or (model.wants_scale and modality != "CT")

    def knows_white_noise(self, modality: str) -> bool:
        """Whether it is a network that learnt MR images whose pixels have noise of their own."""
        if self.plain or modality != "MR":
            return False
        card = self.loaded(modality).card
        noises = {spec.partition(":")[0] for spec in re.split(r"\||, then ", card.noise)}
        white = all(name in NOISES and NOISES.entry(name).facts.get("white") for name in noises)
        return white and not card.training.get("mask")

    def dtype(self, modality: str, precision: Mapping[str, Precision]) -> Precision:
        """The arithmetic for a modality.

        Args:
            modality: That ``refusal`` let pass.
            precision: Of the network for each modality that it has weights for.
        """
        return "float32" if self.plain else precision[self.loaded(modality).card.modality]

    def options_changed(self) -> dict[str, Any]:
        """The options of a filter that differ from their defaults."""
        made = self.plain.options if self.plain else None
        stated = fields(made) if made else ()
        return {f.name: getattr(made, f.name) for f in stated if getattr(made, f.name) != f.default}

    def weights(self, todo: Iterable[Series]) -> dict[str, str]:
        """SHA-256 of the weights that these series need, by their modality; none for a filter."""
        modalities = () if self.plain else {series.modality for series in todo}
        return {modality: self.loaded(modality).sha256 for modality in modalities}

    def settings(self) -> dict[str, Any]:
        """What the result depends on beside weights: enters UIDs and the check of the output."""
        options = asdict(self.plain.options) if self.plain else {}
        return {"model": self.name, "options": options}


def _is_path(spec: str) -> bool:
    """Whether a spec means something on disk; a name of the catalogue wins over a folder."""
    if spec.partition(":")[0] in MODELS:
        return False
    suffix = Path(spec).suffix
    return Path(spec).exists() or "/" in spec or suffix in (".safetensors", *checkpoints.PICKLES)
