"""The noise of a training: a spec with alternatives and ranges, drawn once a sample."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from medclean.catalog import NOISES
from medclean.errors import UsageError
from medclean.options import build, parse, split
from medclean.physics.noise import _base
from medclean.physics.noise._chain import Chain
from medclean.volume import UNITS, Given

NUMBER = r"(-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?)"
RANGE = re.compile(rf"{NUMBER}\.\.{NUMBER} ?([^\d.].*)?")


class Noise:
    """``"gaussian:sigma=0..0.3|rician:sigma=0..0.3"``: one of them a sample, at a drawn level.

    Args:
        specs: Applied in order; each has alternatives between ``|``, and a value ``0..0.3`` or
            ``0..40HU`` is a range.

    Raises:
        UsageError: No such noise, a spec is malformed, or a range runs backwards.
    """

    def __init__(self, *specs: str) -> None:
        self.specs = specs
        self._steps = [[_Alternative.of(text) for text in split(spec, "|")] for spec in specs]
        if not self._steps or not all(self._steps):
            raise UsageError("an empty noise; expected such as 'gaussian:sigma=0..0.3'")

    @property
    def slow(self) -> bool:
        """Whether one takes whole slices, and longer than a patch may take."""
        return any(getattr(known.cls, "slow", False) for step in self._steps for known in step)

    @property
    def levelled(self) -> bool:
        """Whether one has a sigma, that can be set."""
        return any(hasattr(known.cls, "sigma") for step in self._steps for known in step)

    @property
    def told(self) -> bool:
        """Whether the level of each draw is known."""
        return any(all(hasattr(known.cls, "sigma") for known in step) for step in self._steps)

    def fitting(self, modality: str) -> "Noise":
        """The same for images of a modality, without alternatives that are of others only.

        Each is tried here at both ends of its ranges, before a worker does.

        Raises:
            UsageError: A wrong option, a level in another unit than the images', or a step with no
                alternative left.
        """
        rng = np.random.default_rng(0)
        given = Given(UNITS[modality], 1.0, (1.0, 1.0, 1.0), modality, sigma=0.01)
        fitting = Noise(*("|".join(_fitting(split(spec, "|"), given)) for spec in self.specs))
        for noise in (end for step in fitting._steps for known in step for end in known.ends()):
            noise(np.ones((16, 16), np.float32), rng, given)
        return fitting

    def draw(self, rng: np.random.Generator) -> Chain:
        """Of each step one alternative, each of its ranges a uniform draw."""
        return Chain(tuple(step[int(rng.integers(len(step)))].draw(rng) for step in self._steps))

    def at(self, level: float, rng: np.random.Generator) -> Chain:
        """The first alternative that has a sigma, at a level of one's choice; for validation.

        The other steps are drawn. One has a sigma: see ``levelled``.
        """
        chosen = {
            place: known
            for place, step in reversed(list(enumerate(self._steps)))
            for known in reversed(step)
            if hasattr(known.cls, "sigma")
        }
        first = min(chosen)
        levelled = chosen[first].made({**chosen[first].values, "sigma": str(level)}, {})
        drawn = self.draw(rng).noises
        return Chain((*drawn[:first], levelled, *drawn[first + 1 :]))


def _fitting(alternatives: list[str], given: Given) -> list[str]:
    """Those that are noises of the images' modality."""
    noises = [NOISES.provided(parse(text)[0]) for text in alternatives]
    found = [t for t, noise in zip(alternatives, noises, strict=True) if _base.fits(noise, given)]
    if not found:
        raise UsageError(_base.misfit(parse(alternatives[0])[0], noises[0], given))
    return found


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
        found = {key: RANGE.fullmatch(value) for key, value in values.items()}
        ranges = {
            key: (float(match[1]), float(match[2]), match[3] or "")
            for key, match in found.items()
            if match
        }
        for key, (low, high, _) in ranges.items():
            if low > high:
                raise UsageError(f"{name}: {key}={values[key]}, expected the lower end first")
        fixed = {key: value for key, value in values.items() if key not in ranges}
        return cls(name, thing, fixed, ranges)

    def ends(self) -> Iterator[_base.Noise]:
        """With each range at its lower end, and at its upper one; one noise if there is none."""
        for end in (0, 1) if self.ranges else (0,):
            yield self.made(self.values, {k: f"{r[end]:g}{r[2]}" for k, r in self.ranges.items()})

    def draw(self, rng: np.random.Generator) -> _base.Noise:
        """Fix each range at a uniform draw."""
        drawn = {
            key: f"{rng.uniform(low, high):.6g}{unit}"
            for key, (low, high, unit) in self.ranges.items()
        }
        return self.made(self.values, drawn)

    def made(self, fixed: Mapping[str, str], drawn: Mapping[str, str]) -> _base.Noise:
        """The catalogue's noise with these options."""
        noise: _base.Noise = build(self.cls, {**fixed, **drawn}, self.name)
        return noise
