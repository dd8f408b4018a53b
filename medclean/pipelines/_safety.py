"""What a series' figures say before it is written: measured file by file, judged as a whole."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medclean.archive import formats
from medclean.archive.derivation import Written
from medclean.archive.numbers import Pixels, Stored
from medclean.archive.series import Series
from medclean.inference.measured import measured
from medclean.quality.gates import Gate
from medclean.quality.limits import judged as judged_by_table


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
    return measured(written, before, stored, series.modality) if before else written


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
    from medclean.quality.parts import Part

    parts = {path: Part(**file.safety) for path, file in written.items() if file.safety}
    judged = judged_by_table(safety.figures(parts, modality=modality, scale=scale), modality)
    return {**judged, "crossed": [said for gate in gates if (said := gate.crossed(judged))]}
