"""Where the images lie that runs read from: the record does not say, so that it is looked up."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from medclean.archive.runs.finished import Finished
from medclean.archive.series import Series
from medclean.archive.workers import Workers
from medclean.errors import MedcleanError
from medclean.log import Log
from medclean.pipelines._inputs import Inputs, find


class Origin(NamedTuple):
    """A series as it was read: of the same files, by name, size and UID."""

    root: Path
    series: Series


def origins(
    found: Finished, keys: Sequence[str], studies: Iterable[Path], workers: Workers
) -> dict[str, Origin]:
    """Those series of a run whose sources are still where they were, and still the same.

    Args:
        found: The record.
        keys: Of series.
        studies: Folders that it may have read from; what lies beside the output is tried too.
        workers: Read headers.
    """
    known: dict[str, Origin] = {}
    for root in dict.fromkeys([*studies, *_beside(found.out)]):
        lacking = [key for key in keys if key not in known]
        there = [key for key in lacking if _is_there(root, found.series[key].inputs)]
        if not there:
            continue
        try:
            known |= _scanned(found, root, there, workers)
        except MedcleanError:  # what cannot be scanned is not there
            continue
    return known


def _scanned(
    found: Finished, root: Path, keys: Sequence[str], workers: Workers
) -> dict[str, Origin]:
    """The series that these files are, if they are what was read then."""
    asked = found.facts.get("job")
    job = asked if isinstance(asked, dict) else {}
    paths = [path for key in keys for path in found.series[key].inputs]
    inputs = Inputs(root, tuple(root / path for path in paths))
    include = tuple(job.get("include") or ())
    scan = find(inputs, workers, Log(quiet=True), include=include, modality=job.get("modality"))
    by_print = {series.fingerprint: series for series in scan.series}
    prints = {key: found.series[key].sources for key in keys}
    return {key: Origin(root, by_print[of]) for key, of in prints.items() if of in by_print}


def _is_there(root: Path, paths: Sequence[str]) -> bool:
    """Whether all files of a series lie in a folder; a path that climbs leads elsewhere."""
    if not paths or any(os.path.isabs(path) or ".." in path.split("/") for path in paths):
        return False
    return all((root / path).is_file() for path in paths)


def _beside(out: Path) -> Iterator[Path]:
    """STUDY of an output STUDY-NAME; of one that was a file, the folder of both."""
    whole = Path(os.path.abspath(out))
    parts = whole.name.split("-")
    for end in range(len(parts) - 1, 0, -1):
        sibling = whole.with_name("-".join(parts[:end]))
        if sibling.is_dir():
            yield sibling
    yield whole.parent
