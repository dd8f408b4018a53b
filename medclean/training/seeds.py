"""Several runs that differ by their seed alone, summed up."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from medclean.checkpoints import Card
from medclean.errors import UsageError
from medclean.files import write_whole
from medclean.jobs.train import TrainJob
from medclean.training import notes
from medclean.training.record import settings

SUMMARY = "seeds.json"


def summary(cards: Mapping[int, Card]) -> dict[str, dict[str, Any]]:
    """Mean, standard deviation and values of each figure over runs, by seed; at least two.

    The figures are those of the test split, or of the validation where there is none.
    """
    scores = [card.metrics.get("test") or card.metrics["validation"] for card in cards.values()]
    return {figure: _spread([each[figure] for each in scores]) for figure in scores[0]}


def claim(out: Path) -> None:
    """Nothing, if a folder can hold several runs.

    Raises:
        UsageError: It holds a single one.
    """
    if (out / "state").exists():
        raise UsageError(f"{out} holds a single training run; choose another folder for --seeds")


def write(job: TrainJob, cards: Mapping[int, Card]) -> Path:
    """Put the summary into the folder of the runs, and what was asked; returns its path.

    Raises:
        WriteError: It cannot be written.
    """
    found = {"format": 1, "seeds": [*cards], "figures": summary(cards)}
    write_whole(job.out / "job.toml", settings(job))
    notes.write(job.out / SUMMARY, found)
    return job.out / SUMMARY


def told(cards: Mapping[int, Card]) -> list[str]:
    """A line a figure."""
    return [
        f"{figure}: {row['mean']:.4g} +- {row['sd']:.2g} over {len(cards)} seeds"
        for figure, row in summary(cards).items()
    ]


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {"mean": fmean(values), "sd": stdev(values), "values": list(values)}
