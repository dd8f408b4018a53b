"""Several runs that differ by their seed alone, summed up."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from medclean.checkpoints import Card
from medclean.errors import MedcleanError
from medclean.files import write_whole
from medclean.jobs._setting import values
from medclean.jobs.train import TrainJob
from medclean.training import notes, state
from medclean.training.record import settings

SUMMARY = "seeds.json"


def summary(cards: Mapping[int, Card]) -> dict[str, dict[str, Any]]:
    """Mean, standard deviation and values of each figure over runs, by seed; at least two."""
    split = split_of(cards)
    scores = [card.metrics[split] for card in cards.values()]
    return {figure: _spread([each[figure] for each in scores]) for figure in scores[0]}


def split_of(cards: Mapping[int, Card]) -> str:
    """Whose figures are summed up: the test split's, or the validation's where there is none."""
    tested = all(card.metrics.get("test") for card in cards.values())
    return "test" if tested else "validation"


@contextmanager
def claimed(job: TrainJob) -> Iterator[None]:
    """Make a folder that of these runs, or see that it is; left as it was if none can begin.

    Raises:
        UsageError: It holds something else, or runs with other settings.
        WriteError: It cannot be made.
    """
    state.claim(job.out, values(job, "result", "form"), resume=job.resume)
    write_whole(job.out / "job.toml", settings(job))
    try:
        yield
    except MedcleanError:
        if not any(folder.exists() for folder in (one.out for one in job.each.values())):
            state.release(job.out)
        raise


def write(job: TrainJob, cards: Mapping[int, Card]) -> Path:
    """Put the summary into the folder of the runs; returns its path.

    Raises:
        WriteError: It cannot be written.
    """
    found = {
        "format": 1,
        "seeds": [*cards],
        "split": split_of(cards),
        "figures": summary(cards),
    }
    notes.write(job.out / SUMMARY, found)
    return job.out / SUMMARY


def told(cards: Mapping[int, Card]) -> list[str]:
    """A line a figure."""
    return [
        f"{split_of(cards)}, {figure}: {row['mean']:.4g} +- {row['sd']:.2g} over {len(cards)} seeds"
        for figure, row in summary(cards).items()
    ]


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {"mean": fmean(values), "sd": stdev(values), "values": list(values)}
