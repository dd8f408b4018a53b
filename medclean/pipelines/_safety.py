"""What a series' figures say before it is written: measured file by file, judged as a whole."""

from collections.abc import Mapping, Sequence
from typing import Any

from medclean.archive.derivation import Written
from medclean.quality.figures import Figures
from medclean.quality.gates import Gate
from medclean.quality.limits import judged as judged_by_table


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
    changed = {path: file.figures for path, file in written.items() if file.figures}
    found = Figures() if not changed else _figures(changed, modality, scale)
    judged = judged_by_table(found, modality)
    return {**judged, "crossed": [said for gate in gates if (said := gate.crossed(judged))]}


def _figures(changed: Mapping[str, Mapping[str, Any]], modality: str, scale: float) -> Figures:
    """Of files that changed, by path; loads what is slow to load where nothing changes."""
    from medclean.quality.parts import Part
    from medclean.quality.safety import figures

    parts = {path: Part(**told) for path, told in changed.items()}
    return figures(parts, modality=modality, scale=scale)
