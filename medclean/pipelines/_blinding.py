"""Methods under letters, in an order that is drawn, for reading without knowing which is which."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from secrets import randbelow

from medclean.files import cannot_write, create
from medclean.pipelines._measured import NOISY

_SEEDS = 1 << 32


@dataclass(frozen=True)
class Blinding:
    """Which letter stands for which method.

    Attributes:
        names: Letter by method; what they were made from keeps its name.
        seed: Of the order.
    """

    names: Mapping[str, str]
    seed: int

    def write(self, page: Path) -> Path:
        """Put the key beside the page, readable by its owner only.

        Raises:
            WriteError: It cannot be written.
        """
        path = page.with_name(f"{page.stem}-key.json")
        told = {letter: name for name, letter in sorted(self.names.items(), key=lambda i: i[1])}
        content = json.dumps({"seed": self.seed, "methods": told}, indent=1) + "\n"
        with cannot_write(path):
            path.unlink(missing_ok=True)
            create(path, content.encode(), mode=0o600)
        return path


def of(methods: Sequence[str], seed: int | None) -> Blinding:
    """Draw the letters.

    Args:
        methods: What they are called.
        seed: Of the order; drawn if None.
    """
    seed = randbelow(_SEEDS) if seed is None else seed
    shuffled = sorted({*methods} - {NOISY})
    Random(seed).shuffle(shuffled)
    return Blinding({name: _letter(place) for place, name in enumerate(shuffled)}, seed)


def _letter(place: int) -> str:
    """A to Z, then AA and on."""
    above, last = divmod(place, 26)
    return (_letter(above - 1) if above else "") + chr(ord("A") + last)
