"""What a denoised file adds to the safety figures of its series."""

from collections.abc import Iterator
from dataclasses import asdict, replace

from medclean.archive.derivation import Written
from medclean.archive.numbers import Pixels, Stored, to_real
from medclean.volume import Image, Mask


def measured(written: Written, before: Pixels, stored: Stored, modality: str) -> Written:
    """A file with what it adds, unless not a bit of it changed.

    Args:
        written: What became of it.
        before: What it was made of.
        stored: Its new pixels.
        modality: Of the series.
    """
    if not stored.changed:
        return written
    from medclean.quality import safety  # its libraries are slow to load where nothing changes

    part = safety.measure(_frames(before, stored), modality)
    return replace(written, safety=asdict(part)) if part else written


def _frames(before: Pixels, stored: Stored) -> Iterator[tuple[Image, Image, Mask]]:
    """Before, after and padding of one image after the other."""
    for number in range(len(stored.array)):
        frame = before.frame(number)
        after = to_real(stored.array[number : number + 1], frame.encoding)
        yield frame.real[0], after[0], frame.padding[0]
