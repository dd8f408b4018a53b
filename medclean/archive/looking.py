"""Files looked at by workers, many at a time; one that a worker is lost over fails alone."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from medclean.archive.series import LeftOut
from medclean.archive.workers import Workers
from medclean.errors import DataError

T = TypeVar("T")

CHUNK = 64  # files that a worker is given at once


def looked_at(
    look: Callable[[tuple[str, ...]], list[T | LeftOut]],
    paths: Iterable[str],
    workers: Workers,
    progress: Callable[[int], object] = lambda files: None,
) -> Iterator[T | LeftOut]:
    """What is found in files, in the order of their paths.

    Where a worker is lost, or takes too long, its files are tried one by one.

    Args:
        look: Called with some of the paths, in a worker; gives one answer a path.
        paths: Of any number of files.
        workers: They look.
        progress: Called with the number of files that were looked at since.
    """
    for chunk, done in workers.map(look, _chunks(paths)):
        try:
            yield from done.result()
        except DataError:
            for (path,), alone in workers.map(look, [(path,) for path in chunk]):
                try:
                    yield from alone.result()
                except DataError as error:
                    yield LeftOut(path, "failed", str(error))
        progress(len(chunk))


def _chunks(paths: Iterable[str]) -> Iterator[tuple[str, ...]]:
    paths = iter(paths)
    while chunk := tuple(islice(paths, CHUNK)):
        yield chunk
