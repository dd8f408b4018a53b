"""What a series' figures say before it is written: measured file by file, judged as a whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from medclean.archive import formats
from medclean.archive.derivation import Written
from medclean.archive.numbers import Pixels, Stored, to_real
from medclean.archive.series import Series
from medclean.quality.gates import Gate
from medclean.quality.limits import judged as judged_by_table
from medclean.volume import Image, Mask


def write_measured(
    root: Path,
    series: Series,
    instance: int,
    before: Pixels | None,
    stored: Stored,
    plan: Any,
    to: Path,
) -> Written:
    """Write a file as ``formats.write`` does, and measure what it adds to the safety figures.

    Args:
        root: What its path is relative to.
        series: As a scan found it.
        instance: Index in ``series.instances``.
        before: What the file was made of; None where not a bit of it changed.
        stored: Its new pixels.
        plan: As ``formats.plan`` gave it.
        to: In a folder that exists.
    """
    written = formats.write(root, series, instance, stored, plan, to)
    if before is None:
        return written
    from medclean.quality import safety  # its libraries are slow to load where nothing changes

    part = safety.measure(_frames(before, stored), series.modality)
    return replace(written, safety=asdict(part)) if part else written


def judge(
    written: Mapping[str, Written], modality: str, *, scale: float, gates: Sequence[Gate]
) -> dict[str, Any]:
    """The safety figures of a series with their verdicts, and ``crossed``: what a gate stops.

    Args:
        written: Its files, by path.
        modality: Of the series.
        scale: What 1 means in it.
        gates: Limits of the user's.
    """
    from medclean.quality import safety

    parts = {path: safety.Part(**file.safety) for path, file in written.items() if file.safety}
    judged = judged_by_table(safety.figures(parts, modality=modality, scale=scale), modality)
    return {**judged, "crossed": [said for gate in gates if (said := gate.crossed(judged))]}


def _frames(before: Pixels, stored: Stored) -> Iterator[tuple[Image, Image, Mask]]:
    """Before, after and padding of one image after the other."""
    for number in range(len(stored.array)):
        frame = before.frame(number)
        after = to_real(stored.array[number : number + 1], frame.encoding)
        yield frame.real[0], after[0], frame.padding[0]
