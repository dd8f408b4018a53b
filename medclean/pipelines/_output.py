"""The files of a derived series: filled image by image, staged once they are whole."""

from collections import Counter, deque
from collections.abc import Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import numpy as np

from medclean.archive import formats
from medclean.archive.derivation import Written
from medclean.archive.dicom.encode import NATIVE
from medclean.archive.numbers import Pixels, Stored, to_stored
from medclean.archive.runs.run import Run
from medclean.archive.series import Frame, Series
from medclean.archive.workers import Workers
from medclean.volume import Image

WAITING = 1  # files a worker that are computed and not yet written


class Output:
    """Takes denoised images in any order and has workers write each file when its last one comes.

    Args:
        root: Folder that the source's paths are relative to.
        series: The source.
        plan: What its outputs share, as the format wants it.
        run: The record.
        workers: Processes that write.
        staged: SHA-256 by path of what an earlier start staged and is still there.
    """

    def __init__(
        self,
        root: Path,
        series: Series,
        plan: Any,
        *,
        run: Run,
        workers: Workers,
        staged: Mapping[str, str],
    ) -> None:
        self.root, self.series, self.plan, self.run, self.workers = root, series, plan, run, workers
        self.facts: dict[str, Any] = {}  # what the manifest says of the series besides
        self.sha256 = dict(staged)
        told = run.told(series.key)
        self.written = {
            path: Written(**{**told[path], "sha256": sha256, "notes": tuple(told[path]["notes"])})
            for path, sha256 in staged.items()
        }
        self._missing = Counter(f.instance for group in series.groups for f in group.frames)
        self._results: dict[int, Image] = {}
        self._writing: deque[tuple[str, Future[Written]]] = deque()

    def has(self, instance: int) -> bool:
        """Whether a file is staged already."""
        return self.series.instances[instance].path in self.sha256

    def put(self, frame: Frame, image: Image, pixels: Pixels) -> None:
        """Take one image.

        Args:
            frame: Where it belongs.
            image: ``(rows, columns)`` in real-world units.
            pixels: Its whole file, as it was read.
        """
        if self.has(frame.instance):
            return
        result = self._results.setdefault(frame.instance, np.empty_like(pixels.real))
        result[frame.number] = image
        self._missing[frame.instance] -= 1
        if not self._missing[frame.instance]:
            stored = to_stored(self._results.pop(frame.instance), pixels)
            self._write(frame.instance, stored, plainly=self._is_plain(pixels))

    def copy_beside(self) -> None:
        """Stage what is copied with the series."""
        for path in formats.beside(self.root, self.series):
            if path not in self.sha256:
                to = self.run.staging(self.series.key, path)
                task = self.workers.submit(formats.copy, self.root, self.series, path, to)
                self._writing.append((path, task))

    def drain(self) -> None:
        """Wait until all that was given is staged."""
        while self._writing:
            self._note(*self._writing.popleft())

    def abandon(self, seconds: float) -> None:
        """Keep what is staged within some seconds, drop the rest."""
        tasks = [task for _, task in self._writing]
        wait(tasks, seconds)
        for path, task in self._writing:
            if task.done() and not task.exception():
                self._note(path, task)

    def cancel(self) -> None:
        """Drop what is not written, and see to it that nothing of it is still being written."""
        for _, task in self._writing:
            task.cancel()
        wait([task for _, task in self._writing])

    def _is_plain(self, pixels: Pixels) -> bool:
        """Whether no codec encodes the result: some end the process that calls them."""
        wanted = "explicit" if self.plan is None else self.plan.syntax
        return wanted == "explicit" or (wanted == "keep" and pixels.syntax in NATIVE)

    def _write(self, instance: int, stored: Stored, *, plainly: bool) -> None:
        """Have a file written; by this process, if it would only wait for workers that lag."""
        path = self.series.instances[instance].path
        task: tuple[Any, ...] = (
            self.root,
            self.series.alone(instance),
            0,
            stored,
            self.plan and self.plan.alone(instance),
            self.run.staging(self.series.key, path),
        )
        while self._writing and self._writing[0][1].done():
            self._note(*self._writing.popleft())
        lags = len(self._writing) >= WAITING * self.workers.count
        if lags and plainly:
            self._take(path, formats.write(*task))
            return
        if lags:
            self._note(*self._writing.popleft())
        self._writing.append((path, self.workers.submit(formats.write, *task)))

    def _note(self, path: str, task: "Future[Written]") -> None:
        self._take(path, task.result())

    def _take(self, path: str, written: Written) -> None:
        facts = {name: value for name, value in vars(written).items() if name != "sha256"}
        self.run.note_staged(self.series.key, path, written.sha256, **facts)
        self.sha256[path], self.written[path] = written.sha256, written
