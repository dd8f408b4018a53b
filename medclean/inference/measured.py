"""What a denoised file adds to the safety figures of its series."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from medclean.archive.numbers import Pixels, Stored, to_real
from medclean.volume import Image, Mask


def safety_of(before: Pixels, stored: Stored, modality: str) -> Mapping[str, Any] | None:
    """What a file adds to them, fit for JSON; None where not a bit of it changed.

    Args:
        before: What it was made of.
        stored: Its new pixels.
        modality: Of the series.
    """
    if not stored.changed:
        return None
    from medclean.quality import safety  # its libraries are slow to load where nothing changes

    part = safety.measure(frames(before, stored), modality)
    return asdict(part) if part else None


def frames(before: Pixels, stored: Stored) -> Iterator[tuple[Image, Image, Mask]]:
    """Before, after and padding of one image after the other."""
    for number in range(len(stored.array)):
        frame = before.frame(number)
        after = to_real(stored.array[number : number + 1], frame.encoding)
        yield frame.real[0], after[0], frame.padding[0]
