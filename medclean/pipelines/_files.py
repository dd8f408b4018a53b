"""Files through workers that read, change and write each by themselves: no pixel comes here."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from medclean.archive.derivation import Role, Written
from medclean.archive.remaking import Change, Place, Task, remake
from medclean.archive.series import Series
from medclean.device import filter_class
from medclean.errors import DataError
from medclean.inference.statistics import Statistics
from medclean.pipelines._output import Output
from medclean.pipelines._work import Work

MOST = 128  # files that a worker is given at once
SPAN = 0.5  # seconds that they should take it
MOMENT = 0.3  # seconds in which workers tell what they have


class Files:
    """A way to compute a series: file by file, as each image depends on itself alone.

    Args:
        work: What it takes.
        change: Says what workers do to each image, from what was measured of its series.
        torch: Whether they use torch for it.
    """

    def __init__(
        self, work: Work, change: Callable[[Statistics], Change], *, torch: bool = False
    ) -> None:
        self.work, self.change, self.torch = work, change, torch
        self._told: SimpleQueue[int | tuple[str, Written] | Future[None]] = SimpleQueue()
        self._running: set[Future[None]] = set()

    @property
    def machine(self) -> dict[str, Any]:
        """All that rounding depends on."""
        return filter_class(*(["torch"] if self.torch else []))

    def compute(self, series: Series, output: Output, statistics: Statistics) -> None:
        """Have every file made that the output does not have yet.

        Raises:
            DataError: A file cannot be read, or not be written as asked.
            Stopped: A signal came; what was made is staged.
        """
        work, change = self.work, self.change(statistics)
        todo = deque(self._tasks(series, output))
        frames = sum(len(group.frames) for group in series.groups)
        work.bar.advance(frames - sum(len(task.places) for task in todo))
        began, files = monotonic(), len(todo)
        try:
            while todo or self._running:
                while todo and len(self._running) <= work.workers.count:
                    pace = (monotonic() - began) / (files - len(todo) or 1)
                    self._begin(change, todo, pace * work.workers.count)
                self._await(output)
        except DataError:
            self._cancel()
            wait(self._running)  # the next attempt writes the same paths
            raise
        finally:
            self._cancel()

    def _cancel(self) -> None:
        for task in self._running:
            task.cancel()

    def _begin(self, change: Change, todo: deque[Task], pace: float) -> None:
        """Give a worker some files: what takes it a moment, and less when few are left."""
        share = len(todo) // (2 * self.work.workers.count)
        share = max(1, min(share, MOST, int(SPAN / max(pace, SPAN / MOST))))
        tasks = [todo.popleft() for _ in range(share)]
        args = (self.work.root, change, tasks)
        running = self.work.workers.follow(remake, *args, take=self._told.put)
        self._running.add(running)
        running.add_done_callback(self._told.put)

    def _await(self, output: Output) -> None:
        """Take what workers tell, or go on after a moment; after a signal, what they told already.

        Raises:
            Stopped: A signal has come, and nothing more is told.
        """
        try:
            told = self._told.get(timeout=MOMENT)
        except Empty:
            self.work.stop.check()
            return
        if isinstance(told, int):
            self.work.bar.advance(told)
        elif isinstance(told, Future):
            self._running.discard(told)
            told.result()
        else:
            output.take(*told)

    def _tasks(self, series: Series, output: Output) -> Iterator[Task]:
        """The files that are not staged yet, in order."""
        places: list[dict[int, Place]] = [{} for _ in series.instances]
        for number, group in enumerate(series.groups):
            for place, frame in enumerate(group.frames):
                places[frame.instance][frame.number] = Place(number, place, group.spacing)
        for instance, file in enumerate(series.instances):
            if not output.has(instance):
                yield Task(
                    series.alone(instance),
                    {role: output.plan(file.path, role) for role in output.plans},
                    {role: self._place(series, output, file.target, role) for role in output.plans},
                    dict(sorted(places[instance].items())),
                )

    def _place(self, series: Series, output: Output, source: str, role: Role) -> tuple[str, Path]:
        path = output.layout.path(source, role)
        return path, output.run.staging(series.key, path)
