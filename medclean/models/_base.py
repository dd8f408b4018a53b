"""What a model is: a denoiser that states how it is called and how it learns."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from medclean.learning.turn import Learner
from medclean.models._filter import Filter, need
from medclean.volume import Given

_FACTS = (  # that filters state too
    *("kind", "scope", "context", "receptive_field", "stride", "learns_from"),
    *("wants_sigma", "wants_scale", "in_units", "code", "Options"),
)


def check_context(context: int) -> None:
    """Nothing, if so many slices have one in the middle.

    Raises:
        ValueError: They have not.
    """
    if context < 1 or context % 2 == 0:
        raise ValueError(f"context is {context}, expected 1, 3, 5 or so")


class Model(Learner):
    """A network, a filter (nothing to train) or a solver (learns while it denoises).

    Filters of single slices are better written as a ``Filter``.

    A network's ``forward`` is what training sees, and usually all there is. Facts that do not
    depend on options are plain literals of the class, so that listings read them from the file.

    Attributes:
        kind: Which of these; ``"gan"`` for a network with an opponent.
        scope: ``"slice"``: ``(N, context, H, W)`` to ``(N, 1, H, W)``, slices in any grouping;
            ``"series"``: ``(S, H, W)`` to the same, called once a series.
        context: Neighbouring slices or frames that a slice model sees, its own in the middle.
        receptive_field: Width in pixels of what one output pixel depends on; None if that
            includes statistics of the whole image.
        stride: Tiles begin at its multiples.
        learns_from: ``"pairs"``, ``"unpaired"`` or ``"noisy"`` images.
        wants_sigma: The engine measures the noise level of a series, as ``given.sigma``.
        wants_scale: The engine measures what 1 means in a series, as ``given.scale``.
        in_units: Works in real-world units, without a normaliser.
        holds: Bytes for each voxel of a series that a series model takes; 0 if they are few.
        training_only: Children that denoising does without, such as ``("critic",)``.
        code: Derivation code of what it makes; networks have one in common (DICOM CID 7203).
        package: What it needs and medclean does not bring, for its licence; ``""`` for nothing.
        licence: Of that package.
    """

    @dataclass(frozen=True)
    class Options:
        """No options."""

    kind: Literal["gan", "network", "filter", "solver"]
    scope: Literal["slice", "series"]
    context: int
    receptive_field: int | None
    stride: int
    learns_from: Literal["pairs", "unpaired", "noisy"] = "pairs"
    wants_sigma = False
    wants_scale = True
    in_units = False
    holds = 0
    training_only: tuple[str, ...] = ()
    code = "DLNR"
    package = ""
    licence = ""

    def __init__(self, options: Any) -> None:
        """Take the options.

        Raises:
            MissingError: The package that it needs is not installed.
        """
        super().__init__()
        need(self.package, self.licence)
        self.options = options

    @staticmethod
    def of(made: "Model | Filter") -> "Model":
        """What a catalogue made, as a model."""
        return Filtering(made) if isinstance(made, Filter) else made

    @property
    def needs_sigma(self) -> bool:
        """Whether it learns only where the noise level of each image is known."""
        return self.wants_sigma

    @torch.no_grad()
    def denoise(self, images: Tensor, given: Given) -> Tensor:
        """Images as ``scope`` says, of any H and W, to denoised ones in the same units."""
        return self(images, given)


class Filtering(Model):
    """A filter where a model is asked for: its arrays as tensors."""

    def __init__(self, filter_: Filter) -> None:
        super().__init__(filter_.options)
        self.filter = filter_
        for fact in _FACTS:
            setattr(self, fact, getattr(filter_, fact))

    def forward(self, images: Tensor, given: Given) -> Tensor:
        plain = replace(given, scale=_plain(given.scale), sigma=_plain(given.sigma))
        array = self.filter.denoise(images.numpy(force=True), plain)
        return torch.from_numpy(array).to(images.device)


def _plain(value: Any) -> Any:
    return value.numpy(force=True) if isinstance(value, Tensor) else value
