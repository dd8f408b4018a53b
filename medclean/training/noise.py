"""The noise of a training: a spec with alternatives and ranges, drawn once a sample."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import hypot
from typing import TypeAlias

import numpy as np

from medclean.catalog import NOISES
from medclean.errors import UsageError
from medclean.options import build, parse, split
from medclean.volume import UNITS, Given, Image

Degrade: TypeAlias = Callable[[Image, np.random.Generator, Given], Image]

RANGE = re.compile(r"(-?[\d.]+(?:e-?\d+)?)\.\.(-?[\d.]+(?:e-?\d+)?) ?([^\d.].*)?")


@dataclass(frozen=True)
class Drawn:
    """Noises at fixed levels, applied in order.

    Attributes:
        noises: As the catalogue made them.
    """

    noises: tuple[Degrade, ...]

    def __call__(self, image: Image, rng: np.random.Generator, given: Given) -> Image:
        """An image ``(H, W)`` in real-world units with all of them."""
        for noise in self.noises:
            image = noise(image, rng, given)
        return image

    def given(self, given: Given) -> Given:
        """What is known about an image with them: variances add up; None where none has a sigma."""
        levels = [noise.sigma for noise in self.noises if hasattr(noise, "sigma")]
        sigma = hypot(*(float(given.absolute(level)) for level in levels)) if levels else None
        return replace(given, sigma=sigma)


class Noise:
    """``"gaussian:sigma=0..0.3|rician:sigma=0..0.3"``: one of them a sample, at a drawn level.

    Args:
        specs: Applied in order; each has alternatives between ``|``, and a value ``0..0.3`` or
            ``0..40HU`` is a range.

    Raises:
        UsageError: No such noise, one that is too slow to be drawn for each patch, or a spec is
            malformed.
    """

    def __init__(self, *specs: str) -> None:
        self._steps = [[_Alternative.of(text) for text in split(spec, "|")] for spec in specs]
        if not self._steps or not all(self._steps):
            raise UsageError("an empty noise; expected such as 'gaussian:sigma=0..0.3'")

    def try_on(self, modality: str) -> None:
        """See that each alternative works on images of a modality, before a worker does.

        Raises:
            UsageError: A wrong option, a level in another unit than the images', a noise of another
            modality, or no noise that validation could set the level of.
        """
        rng = np.random.default_rng(0)
        given = Given(UNITS[modality], 1.0, (1.0, 1.0, 1.0), modality)
        for alternative in (known for step in self._steps for known in step):
            alternative.draw(rng)(np.ones((16, 16), np.float32), rng, given)
        self.at(0.1, rng)

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Of each step one alternative, each of its ranges a uniform draw."""
        return Drawn(tuple(step[int(rng.integers(len(step)))].draw(rng) for step in self._steps))

    def at(self, level: float, rng: np.random.Generator) -> Drawn:
        """The first alternative that has a sigma, at a level of one's choice; for validation.

        The other steps are drawn.

        Raises:
            UsageError: No alternative has a sigma.
        """
        chosen = {
            place: known
            for place, step in reversed(list(enumerate(self._steps)))
            for known in reversed(step)
            if hasattr(known.cls, "sigma")
        }
        if not chosen:
            raise UsageError("validation needs a noise with the option sigma, such as gaussian")
        first = min(chosen)
        levelled = chosen[first].made({**chosen[first].values, "sigma": str(level)}, {})
        drawn = self.draw(rng).noises
        return Drawn((*drawn[:first], levelled, *drawn[first + 1 :]))


@dataclass(frozen=True)
class _Alternative:
    name: str
    cls: type
    values: Mapping[str, str]
    ranges: Mapping[str, tuple[float, float, str]]

    @classmethod
    def of(cls, text: str) -> "_Alternative":
        name, values = parse(text)
        thing = NOISES.provided(name)
        if getattr(thing, "slow", False):
            raise UsageError(
                f"{name} needs whole slices, and too long for each patch; "
                "train with a noise that does not, such as low-dose-approximate for CT"
            )
        found = {key: RANGE.fullmatch(value) for key, value in values.items()}
        ranges = {
            key: (float(match[1]), float(match[2]), match[3] or "")
            for key, match in found.items()
            if match
        }
        fixed = {key: value for key, value in values.items() if key not in ranges}
        return cls(name, thing, fixed, ranges)

    def draw(self, rng: np.random.Generator) -> Degrade:
        """Fix each range at a uniform draw."""
        drawn = {
            key: f"{rng.uniform(low, high):.6g}{unit}"
            for key, (low, high, unit) in self.ranges.items()
        }
        return self.made(self.values, drawn)

    def made(self, fixed: Mapping[str, str], drawn: Mapping[str, str]) -> Degrade:
        """The catalogue's noise with these options."""
        noise: Degrade = build(self.cls, {**fixed, **drawn}, self.name)
        return noise
