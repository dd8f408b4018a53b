"""What a run did, in one JSON file for scripts and reports."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from medclean.archive.runs.folder import RUN_FOLDER
from medclean.archive.runs.journal import Line
from medclean.archive.runs.record import Record
from medclean.archive.runs.shard import Shard
from medclean.archive.runs.tally import Tally
from medclean.files import writing

FORMAT = 1
MOST_INPUTS = 10_000  # that stand in a manifest; of more, the journal tells


def manifest_path(out: Path, shard: Shard | None) -> Path:
    """Where the manifest of a run lies."""
    return out / RUN_FOLDER / (f"manifest-{shard}.json" if shard else "manifest.json")


def write_manifest(
    path: Path,
    record: Record,
    *,
    labels: Mapping[str, str | None],
    loose: Iterable[str],
    tally: Tally,
) -> list[Line]:
    """Write a manifest of format 1; returns what it says of the series.

    Args:
        path: Its place; see ``manifest_path``.
        record: What is known.
        labels: Series that the run was about: how reports name them, by key.
        loose: Paths of inputs that belong to none.
        tally: What became of it all.

    Raises:
        WriteError: It cannot be written.
    """
    run, state = record.state.run, record.state
    told = {path: state.inputs[path] for path in loose}
    told |= {line["path"]: line for key in labels for line in record.inputs(key)}
    inputs = [told[path] for path in sorted(told)]
    few = len(inputs) <= MOST_INPUTS
    series = [_series(record, key, label) for key, label in labels.items()]
    journals = record.journal.path.name if run["shard"] else "journal*.jsonl"
    manifest = {
        "format": FORMAT,
        "command": run["command"],
        "job": None,
        "versions": None,
        "device": None,
        "model": None,
        **run["facts"],
        "settings": run["settings"],
        "pinned": state.pinned,
        "tally": asdict(tally),
        "series": series,
        "inputs": inputs if few else None,
        **({} if few else {"inputs_in": journals}),
    }
    with writing(path) as file:
        file.write(json.dumps(manifest, indent=1).encode("ascii") + b"\n")
    return series


def _series(record: Record, key: str, label: str | None) -> Line:
    """What a manifest says about a series."""
    series, status = record.series(key), record.status(key)
    ended = status != "pending"
    done = status == "done"
    return {
        "series": key,
        "label": label,
        "status": status,
        "reason": series.reason if ended else None,
        "inputs": len(series.inputs),
        "outputs": len(series.files) if done else 0,
        **series.facts,
        **(series.record if status in ("done", "failed") else {}),
    }
