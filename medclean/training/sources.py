"""What a run learns from, so that one that goes on can tell whether that is still the same."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from medclean.archive.dataset import Case
from medclean.errors import UsageError
from medclean.files import sha256_of
from medclean.training import notes

LISTED = 3  # cases that an error names

Source = dict[str, Any]


def claim(folder: Path, parts: Mapping[str, Sequence[Case]]) -> None:
    """Record the images of each part at a run's first start; see that they are the same at others.

    Files of the same sizes and times count as the same; of some that were touched or copied the
    content tells.

    Args:
        folder: Where the record ``sources.json`` lies.
        parts: Cases by split.

    Raises:
        UsageError: A case has come, gone, changed or moved to another part.
        DataError: The record is damaged.
        WriteError: The record cannot be written.
    """
    path = folder / "sources.json"
    mend = "take it away to go on with the images as they are now"
    before = notes.read(path, dict, mend=mend) if path.is_file() else {}
    named = {f"{case.name} ({part})": case for part, cases in parts.items() for case in cases}
    now = {name: _source(case, before.get(name)) for name, case in named.items()}
    if before:
        _same(before, now, folder.parent)
    notes.write(path, now)


def _source(case: Case, known: Source | None) -> Source:
    """What tells whether a case is still the same; its hash is taken over where nothing moved."""
    both = [case] if case.noisy is None else [case, case.noisy]
    paths = [one.root / i.path for one in both for i in one.series.instances]
    stats = [path.stat() for path in paths]
    stamp = sha256(repr([(s.st_size, s.st_mtime_ns) for s in stats]).encode()).hexdigest()
    if known is not None and known["stamp"] == stamp:
        return known
    content = sha256("".join(map(sha256_of, paths)).encode()).hexdigest()
    return {"stamp": stamp, "sha256": content}


def _case(name: str) -> str:
    """Of what is named with its part."""
    return name.rpartition(" (")[0]


def _same(before: Mapping[str, Source], now: Mapping[str, Source], run: Path) -> None:
    was, are = ({_case(name): name for name in record} for record in (before, now))
    both = sorted(before.keys() & now.keys())
    changes = [f"{are[case]} is new" for case in sorted(are.keys() - was.keys())]
    changes += [f"{n} has changed" for n in both if before[n]["sha256"] != now[n]["sha256"]]
    changes += [f"{was[case]} is gone" for case in sorted(was.keys() - are.keys())]
    moved = [case for case in sorted(are.keys() & was.keys()) if was[case] != are[case]]
    changes += [f"{was[case]} is now {are[case].removeprefix(case).strip(' ()')}" for case in moved]
    if changes:
        more = f" and {len(changes) - LISTED} more" if len(changes) > LISTED else ""
        raise UsageError(
            f"the data set is not what {run} was begun with: {', '.join(changes[:LISTED])}{more}; "
            "bring that back, or train into another folder"
        )
