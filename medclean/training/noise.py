"""The noise of a training: a spec with alternatives and ranges, drawn once a sample."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medclean.catalog import NOISES
from medclean.errors import UsageError
from medclean.options import build, parse, split
from medclean.volume import UNITS, Given, Image

RANGE = re.compile(r"(-?[\d.]+(?:e-?\d+)?)\.\.(-?[\d.]+(?:e-?\d+)?) ?([^\d.].*)?")


@dataclass(frozen=True)
class Drawn:
    """One noise at one level.

    Attributes:
        noise: As the catalogue made it.
        sigma: Its ``sigma``, a level; None where it has none.
    """

    noise: Callable[[Image, np.random.Generator, Given], Image]
    sigma: float | str | None

    def given(self, given: Given) -> Given:
        """What is known about an image with this noise."""
        sigma = None if self.sigma is None else float(given.absolute(self.sigma))
        return replace(given, sigma=sigma)


class Noise:
    """``"gaussian:sigma=0..0.3|rician:sigma=0..0.3"``: one of them a sample, at a drawn level.

    Args:
        spec: Alternatives between ``|``; a value ``0..0.3`` or ``0..40HU`` is a range.

    Raises:
        UsageError: No such noise, one that is too slow to be drawn for each patch, or the spec is
            malformed.
    """

    def __init__(self, spec: str) -> None:
        alternatives = split(spec, "|")
        if not alternatives:
            raise UsageError("an empty noise; expected such as 'gaussian:sigma=0..0.3'")
        self._known = [_Alternative.of(text) for text in alternatives]

    def try_on(self, modality: str) -> None:
        """See that each alternative works on images of a modality, before a worker does.

        Raises:
            UsageError: A wrong option, a level in another unit than the images', a noise of another
            modality, or no noise that validation could set the level of.
        """
        rng = np.random.default_rng(0)
        given = Given(UNITS[modality], 1.0, (1.0, 1.0, 1.0), modality)
        for known in self._known:
            known.draw(rng).noise(np.ones((16, 16), np.float32), rng, given)
        self.at(0.1)

    def draw(self, rng: np.random.Generator) -> Drawn:
        """One alternative, each of its ranges a uniform draw."""
        return self._known[int(rng.integers(len(self._known)))].draw(rng)

    def at(self, level: float) -> Drawn:
        """The first alternative that has a sigma, at a level of one's choice; for validation.

        Raises:
            UsageError: No alternative has a sigma.
        """
        known = next((a for a in self._known if hasattr(a.cls, "sigma")), None)
        if known is None:
            raise UsageError("validation needs a noise with the option sigma, such as gaussian")
        return known.made({**known.values, "sigma": str(level)}, {})


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

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Fix each range at a uniform draw."""
        drawn = {
            key: f"{rng.uniform(low, high):.6g}{unit}"
            for key, (low, high, unit) in self.ranges.items()
        }
        return self.made(self.values, drawn)

    def made(self, fixed: Mapping[str, str], drawn: Mapping[str, str]) -> Drawn:
        """The catalogue's noise with these options."""
        noise: Any = build(self.cls, {**fixed, **drawn}, self.name)
        return Drawn(noise, getattr(noise, "sigma", None))
