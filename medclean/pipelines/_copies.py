"""What is not denoised goes along as it is: ``--copy-others``."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from medclean.archive import copying
from medclean.archive.nifti.names import image_of
from medclean.archive.runs import Run
from medclean.archive.series import key_of
from medclean.archive.workers import Workers
from medclean.errors import DataError
from medclean.log import Log
from medclean.pipelines._inputs import Inputs
from medclean.pipelines._stock import Stock
from medclean.signals import Stop


@dataclass(frozen=True)
class Copies:
    """Files that get their names together: the loose ones of a folder, or a series.

    One of them that cannot be copied fails ``alone``, and is tried again at each start.

    Attributes:
        key: In the journal, as of a series.
        files: Why each is not denoised, by path.
        series: Key of the series; None of a folder.
    """

    key: str
    files: dict[str, str]
    series: str | None = None

    def sizes(self, root: Path) -> Iterator[int]:
        """Bytes of each file that is there."""
        for path in self.files:
            with suppress(OSError):
                yield (root / path).stat().st_size

    def alone(self, path: str) -> "Copies":
        """One of the files, by itself."""
        return replace(self, key=key_of(("other", path)), files={path: self.files[path]})

    def fingerprint(self, root: Path) -> str:
        """Of the files, and of what is said about them."""
        return key_of(
            part for path, why in self.files.items() for part in (why, *_look(root, path))
        )


def gather(stock: Stock, inputs: Inputs) -> list[Copies]:
    """What there is to copy, each file once; none that a series takes along, and no DICOMDIR.

    Nor what a link in a study finds outside of all of them: nobody asked for that.
    """
    root = inputs.root
    taken = {instance.path for series in stock.taken for instance in series.instances}
    folders: dict[str, dict[str, str]] = defaultdict(dict)
    for left in stock.found.left_out:
        if left.status == "failed" or left.stays or image_of(root, left.path) in taken:
            continue
        if inputs.holds(left.path):
            folders[str(PurePosixPath(left.path).parent)][left.path] = left.reason
    loose = [Copies(key_of(("others", name)), files) for name, files in folders.items()]
    refused = [
        Copies(
            key_of(("others", series.key)),
            dict.fromkeys((i.path for i in series.instances if inputs.holds(i.path)), refusal.why),
            series.key,
        )
        for series in stock.found.series
        if (refusal := stock.refusals.get(series.key))
    ]
    return [*loose, *refused]


def put_on_record(stock: Stock, inputs: Inputs, run: Run, *, copied: bool) -> list[Copies]:
    """Put on record what gives no image; returns what is left to copy, where that is wanted.

    What was derived from a file at an earlier start, with another selection, is not written over.
    """
    wanted = [_without(copies, run) for copies in (gather(stock, inputs) if copied else ())]
    loose = {path for copies in wanted if not copies.series for path in copies.files}
    for left in stock.found.left_out:
        if left.path not in loose and run.owns(left.path):
            stays = copied and (left.stays or not inputs.holds(left.path))
            run.input(left.path, left.status, left.reason + "; not copied" * stays)
    owned = [c for c in wanted if c.files and run.owns(c.series or c.key)]
    todo = [part for copies in owned for part in _left_to_do(copies, inputs.root, run)]
    for copies in todo:
        for path, why in copies.files.items():
            run.input(path, "skipped", why, series=copies.series)
    return todo


def copy(copies: Copies, root: Path, run: Run, workers: Workers, stop: Stop, log: Log) -> None:
    """Copy files and commit them; what cannot be copied is left out, and fails.

    Raises:
        Stopped: A signal came; what was copied is staged.
        WriteError: They cannot be written.
    """
    key = copies.key
    refused = _refused(copies, run)
    staged = run.begin(key)
    settled = {*staged, *refused}
    places = ((path, run.staging(key, path)) for path in copies.files if path not in settled)
    for (path, _), task in workers.map(partial(_copy, root), places):
        stop.check()
        try:
            staged[path], _ = task.result()
        except DataError as error:
            refused[path] = str(error)
        else:
            run.note_staged(key, path, staged[path])
    kept = {path: why for path, why in copies.files.items() if path not in refused}
    said = {
        path: {"status": "skipped", "reason": why, "series": copies.series}
        for path, why in kept.items()
    }
    if kept:
        try:
            run.commit(key, {path: staged[path] for path in kept}, inputs=said)
        except DataError as error:
            refused = dict.fromkeys(copies.files, str(error))
    for path, why in refused.items():
        alone, reason = copies.alone(path), why if path in why else f"{path} {why}"
        run.expected.copy(alone.key, alone.files, sources=alone.fingerprint(root))
        run.fail(alone.key, f"not copied: {reason}")
        log.warn(f"not copied: {reason}")


def _left_to_do(copies: Copies, root: Path, run: Run) -> Iterator[Copies]:
    """Put them on record; gives them, or of those that were copied the ones that failed then."""
    run.expected.copy(copies.key, copies.files, sources=copies.fingerprint(root))
    if not run.done(copies.key):
        yield copies
        return
    for path in run.expected.lacking(copies.key):
        yield from _left_to_do(copies.alone(path), root, run)


def _refused(copies: Copies, run: Run) -> dict[str, str]:
    """Why files may not have their names in the output folder, by path."""
    refused = {}
    for path in copies.files:
        try:
            run.refuse_foreign(copies.key, [path])
        except DataError as error:
            refused[path] = str(error)
    return refused


def _without(copies: Copies, run: Run) -> Copies:
    """The same without files that something was derived from."""
    derived = run.expected.is_derived
    return replace(copies, files={p: why for p, why in copies.files.items() if not derived(p)})


def _look(root: Path, path: str) -> Iterable[str]:
    with suppress(OSError):  # gone: copying it will say so
        state = (root / path).stat()
        return (path, str(state.st_size), str(state.st_mtime_ns))
    return (path,)


def _copy(root: Path, place: tuple[str, Path]) -> tuple[str, int]:
    return copying.copy(root, *place)
