"""Several runs that differ by their seed alone, summed up."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from medclean.checkpoints import Card
from medclean.files import write_whole

SUMMARY = "seeds.json"


def summary(cards: Mapping[int, Card]) -> dict[str, dict[str, Any]]:
    """Mean, standard deviation and values of each figure over runs, by seed; at least two.

    The figures are those of the test split, or of the validation where there is none.
    """
    scores = [card.metrics.get("test") or card.metrics["validation"] for card in cards.values()]
    return {figure: _spread([each[figure] for each in scores]) for figure in scores[0]}


def write(out: Path, cards: Mapping[int, Card]) -> Path:
    """Put the summary into a folder; returns its path.

    Raises:
        WriteError: It cannot be written.
    """
    found = {"format": 1, "seeds": [*cards], "figures": summary(cards)}
    write_whole(out / SUMMARY, json.dumps(found, indent=1).encode() + b"\n")
    return out / SUMMARY


def told(cards: Mapping[int, Card]) -> list[str]:
    """A line a figure."""
    return [
        f"{figure}: {row['mean']:.4g} +- {row['sd']:.2g} over {len(cards)} seeds"
        for figure, row in summary(cards).items()
    ]


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {"mean": fmean(values), "sd": stdev(values), "values": list(values)}
