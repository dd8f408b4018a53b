"""What became of a run: the counts, the exit status and the last line, which always agree."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from medclean.archive.runs.shard import Shard
from medclean.archive.runs.state import Status
from medclean.errors import Exit


class Outcome(NamedTuple):
    """What became of a series, or of a file that belongs to none and failed.

    Attributes:
        status: As in the manifest.
        exit: Of a failed one, why; of a done one, what is wrong with it all the same; of a skipped
            one, what it means if nothing was done at all.
        files: How many outputs it has.
    """

    status: Status
    exit: Exit = Exit.DONE
    files: int = 0


@dataclass(frozen=True)
class Tally:
    """Counts of series, and what follows from them.

    Attributes:
        done: Series whose outputs are in the output folder.
        skipped: Series that are not what was asked for.
        failed: Series that could not be done.
        pending: Series that nobody came to.
        files: Outputs of the done ones.
        exit: Exit status of the command.
        line: The last line that it prints.
        copied: Files that were copied as they are.
    """

    done: int
    skipped: int
    failed: int
    pending: int
    files: int
    exit: Exit
    line: str
    copied: int = 0


def tally(
    outcomes: Iterable[Outcome],
    out: Path,
    *,
    copied: int = 0,
    stopped: Exit = Exit.DONE,
    shard: Shard | None = None,
    total: int = 0,
) -> Tally:
    """Count what became of the series.

    Args:
        outcomes: One a series.
        out: The output folder; its name alone is told, for what is above might identify.
        copied: Files that were copied as they are.
        stopped: The status of what ended the run early; then it is the run's.
        shard: Which part of the job this is; None is all.
        total: Eligible series of all shards.
    """
    outcomes = list(outcomes)
    count = Counter(outcome.status for outcome in outcomes)
    files = sum(outcome.files for outcome in outcomes if outcome.status == "done")
    status = stopped or Exit.of(_statuses(outcomes, empty_shard=bool(shard and total)))
    text = f"{count['done']} series done{_flawed(outcomes)}"
    text += f", {count['skipped']} skipped, {count['failed']} failed"
    if count["pending"]:
        text += f", {count['pending']} still to do"
    if shard:
        mine = len(outcomes) - count["skipped"]
        text = f"shard {shard.number} of {shard.of}: {mine} of {total} series; {text}"
    there = f"{files} file{'s'[: files != 1]}" + (f" and {copied} copied" if copied else "")
    return Tally(
        count["done"],
        count["skipped"],
        count["failed"],
        count["pending"],
        files,
        status,
        f"{text}: {there} in {out.name or out.resolve().name}",
        copied,
    )


def _flawed(outcomes: list[Outcome]) -> str:
    """What is wrong with some of the done ones."""
    exits = Counter(outcome.exit for outcome in outcomes if outcome.status == "done")
    words = {Exit.PARTIAL: "incomplete", Exit.GATE_CROSSED: "beyond a limit"}
    said = [f"{exits[status]} {what}" for status, what in words.items() if exits[status]]
    return f" ({', '.join(said)})" if said else ""


def _statuses(outcomes: list[Outcome], *, empty_shard: bool) -> Iterable[Exit]:
    """All exit statuses that hold."""
    done = any(outcome.status == "done" for outcome in outcomes)
    for outcome in outcomes:
        if outcome.status == "failed":
            bad_data = outcome.exit == Exit.BAD_DATA
            yield Exit.PARTIAL if bad_data and done else outcome.exit
        elif outcome.status == "done":
            yield outcome.exit
        elif outcome.status == "pending":
            yield Exit.PARTIAL
    if not empty_shard and all(outcome.status == "skipped" for outcome in outcomes):
        yield Exit.of(outcome.exit for outcome in outcomes) or Exit.NOTHING_TO_DO
