"""Filters that are told the noise: how strong, of what kind; one slice after another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medclean.errors import UsageError
from medclean.volume import Given, Image, Level, level_of

Remove: TypeAlias = Callable[[NDArray[Any], float], NDArray[Any]]  # Gaussian noise of a sigma


@dataclass(frozen=True)
class Told:
    """What is taken for noise.

    Attributes:
        sigma: Noise level: a fraction of the scale, or with a unit; none: measured.
        noise: rician for magnitude MR alone: made even, removed, and its bias with it.
    """

    sigma: Level | None = None
    noise: Literal["gaussian", "rician"] = "gaussian"

    def __post_init__(self) -> None:
        if self.sigma is not None:
            level_of(self.sigma)

    def misfit(self, modality: str, unit: str, *, magnitude: bool = True) -> str:
        """Why images cannot have this noise; ``""`` where they can.

        Args:
            modality: ``"MR"``, ``"CT"`` or ``"PT"``; ``""`` where nobody said.
            unit: Of their values.
            magnitude: Whether they are not phases, nor real or imaginary parts.
        """
        if self.noise == "rician" and not (modality == "MR" and magnitude):
            these = modality or "of unknown modality (say --modality)"
            these = these if magnitude else "phase, real or imaginary parts"
            return f"noise=rician is that of magnitude MR images, and these are {these}"
        stated = "" if self.sigma is None else level_of(self.sigma)[1]
        return "" if stated in ("", "%", unit) else f"sigma is in {stated}, expected % or {unit}"

    def each_slice(self, images: Image, given: Given, *, name: str, remove: Remove) -> Image:
        """Denoise the slices of ``(N, 1, H, W)`` one by one.

        Args:
            images: In the unit that ``given`` states.
            given: Knows the measured level, of all or of each, where the option leaves it open.
            name: Of the model, for the error.
            remove: Takes a slice ``(H, W)``; one whose level is 0 is left as it is.

        Raises:
            UsageError: Nobody said the level.
        """
        levels, slices = np.ravel(self.level(given, name)), images[:, 0]
        results = [
            self.denoised(image, float(level), remove)
            for image, level in zip(slices, np.broadcast_to(levels, len(slices)), strict=True)
        ]
        return np.stack(results)[:, None]

    def denoised(self, image: NDArray[np.float32], sigma: float, remove: Remove) -> Any:
        """An image or a volume without noise of a level, float32; as it was for level 0."""
        if sigma <= 0:
            return image
        if self.noise == "rician":
            from medclean.physics.signal.rician import restore, stabilise  # takes long to import

            result = restore(remove(stabilise(image, sigma), 1.0), sigma)
        else:
            result = remove(image, sigma)
        return result.astype(np.float32)

    def level(self, given: Given, name: str) -> Any:
        """The noise level in the images' unit, a number or a tensor as in ``Given``.

        Raises:
            UsageError: Nobody said.
        """
        sigma = given.sigma if self.sigma is None else given.absolute(self.sigma)
        if sigma is None:
            raise UsageError(f"{name} needs to know the noise level: try --model {name}:sigma=0.05")
        return sigma
