"""What a model is: a denoiser that states how it is called and how it learns."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import Tensor

from medclean.errors import MissingError
from medclean.learning.turn import Learner
from medclean.volume import Given


class Model(Learner):
    """A network, a filter (nothing to train) or a solver (learns while it denoises).

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
        if self.package and not find_spec(self.package):
            raise MissingError(
                f"the Python package {self.package} is not installed; its licence is for "
                f"{self.licence}: where you may, `python -m pip install {self.package}`"
            )
        self.options = options

    @torch.no_grad()
    def denoise(self, images: Tensor, given: Given) -> Tensor:
        """Images as ``scope`` says, of any H and W, to denoised ones in the same units."""
        return self(images, given)
