"""The files of a derived series: filled image by image, staged once they are whole."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from medclean.archive import formats, npy
from medclean.archive.derivation import Role, Written
from medclean.archive.dicom.encode import NATIVE
from medclean.archive.layout import Layout
from medclean.archive.numbers import Pixels, Stored, Storing, residual
from medclean.archive.remaking import Figures
from medclean.archive.runs.run import Run
from medclean.archive.series import Frame, Series
from medclean.archive.workers import Workers
from medclean.files import write_whole
from medclean.volume import Image

WAITING = 1  # files a worker that are computed and not yet written


class Output:
    """Takes images in any order and has workers write each file when its last one comes.

    What is made of a file, and where it lies, is the layout's to say. A file is staged once all
    that is made of it is.

    Args:
        root: Folder that the source's paths are relative to.
        series: The source.
        plans: What the outputs of each role share, as the format wants it.
        layout: Where outputs lie.
        figures: What an image file adds to the figures of its series; None where there are none.
        run: The record.
        workers: Processes that write.
        staged: SHA-256 by path of what an earlier start staged and is still there.
    """

    def __init__(
        self,
        root: Path,
        series: Series,
        plans: Mapping[Role, Any],
        *,
        layout: Layout,
        figures: Figures | None,
        run: Run,
        workers: Workers,
        staged: Mapping[str, str],
    ) -> None:
        self.root, self.series, self.layout, self.figures = root, series, layout, figures
        self._refusal = formats.no_residual(series)
        self.plans = {r: plan for r, plan in plans.items() if r == "image" or not self._refusal}
        self.run, self.workers = run, workers
        self.facts: dict[str, Any] = {}  # what the manifest says of the series besides
        told = run.told(series.key)
        self._written = {
            path: Written(**{**told[path], "sha256": sha256, "notes": tuple(told[path]["notes"])})
            for path, sha256 in staged.items()
        }
        self._missing = Counter(f.instance for group in series.groups for f in group.frames)
        self._results: dict[int, Storing] = {}
        self._writing: deque[tuple[str, Future[Written]]] = deque()

    def has(self, instance: int) -> bool:
        """Whether all that is made of a file is staged already."""
        source = self.series.instances[instance].target
        return all(self.layout.path(source, role) in self._written for role in self.plans)

    def plan(self, source: str, role: Role) -> Any:
        """What the format wants to know of an output, by the path of its source."""
        plan = self.plans[role]
        return plan and plan.alone(source)

    def put(self, frame: Frame, image: Image, pixels: Pixels) -> None:
        """Take one image.

        Args:
            frame: Where it belongs.
            image: ``(rows, columns)`` in real-world units.
            pixels: Its whole file, as it was read.
        """
        if self.has(frame.instance):
            return
        storing = self._results.setdefault(frame.instance, Storing(pixels))
        storing.put(frame.number, image)
        self._missing[frame.instance] -= 1
        if not self._missing[frame.instance]:
            stored = self._results.pop(frame.instance).stored
            self._write(frame.instance, "image", pixels, stored)
            if "residual" in self.plans:
                self._write(frame.instance, "residual", pixels, residual(stored, pixels))

    def take(self, path: str, written: Written) -> None:
        """Take note of a file that is staged."""
        facts = {name: value for name, value in vars(written).items() if name != "sha256"}
        self.run.note_staged(self.series.key, path, written.sha256, **facts)
        self._written[path] = written

    def holds(self, path: str) -> bool:
        """Whether an output is staged."""
        return path in self._written

    def stage(self, path: str, content: bytes) -> None:
        """Stage a small file that goes with the series."""
        if not self.holds(path):
            sha256 = write_whole(self.run.staging(self.series.key, path), content, lasting=False)
            self.take(path, Written(sha256, len(content)))

    @contextmanager
    def array(
        self, path: str, shape: tuple[int, ...], dtype: DTypeLike = np.complex64
    ) -> Iterator[npy.Growing]:
        """A file of an array that goes with the series; it is staged when the block ends."""
        to = self.run.staging(self.series.key, path)
        with npy.growing(to, shape, np.dtype(dtype)) as file:
            yield file
        self.take(path, file.written)

    def copy_beside(self) -> None:
        """Stage what is copied with the series."""
        for source in formats.beside(self.root, self.series):
            path = self.layout.path(source)
            if path not in self._written:
                to = self.run.staging(self.series.key, path)
                task = self.workers.submit(formats.copy, self.root, self.series, source, to)
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

    @property
    def no_residual(self) -> str:
        """Why what was removed is not written though it was asked for; ``""`` where it is."""
        if "residual" not in self.layout.roles:
            return ""
        wide = sum(self._written[path].clamped > 0 for path in self._residuals())
        beyond = f"{wide} of its files changed by more than signed 16 bits can say" if wide else ""
        return self._refusal or beyond

    @property
    def kept(self) -> dict[str, Written]:
        """What becomes of the series, by path."""
        dropped = self._residuals() if self.no_residual else ()
        return {path: w for path, w in self._written.items() if path not in dropped}

    @property
    def inputs(self) -> dict[str, dict[str, str]]:
        """Where the outputs of each source file lie, as far as its name does not say so."""
        kept, inputs = self.kept, dict[str, dict[str, str]]()
        for file in self.series.instances:
            image, removed = (self.layout.path(file.target, role) for role in ("image", "residual"))
            renamed = file.name != image and image in kept
            own = {"output": image, "sha256": kept[image].sha256} if renamed else {}
            inputs[file.name] = own | ({"residual": removed} if removed in kept else {})
        return {name: said for name, said in inputs.items() if said}

    def _residuals(self) -> set[str]:
        """Paths of all residuals that are staged."""
        if "residual" not in self.plans:
            return set()
        paths = (self.layout.path(file.target, "residual") for file in self.series.instances)
        return {path for path in paths if path in self._written}

    def _is_plain(self, pixels: Pixels) -> bool:
        """Whether no codec encodes the result: some end the process that calls them."""
        plan = self.plans["image"]
        wanted = "explicit" if plan is None else plan.syntax
        return wanted == "explicit" or (wanted == "keep" and pixels.syntax in NATIVE)

    def _write(self, instance: int, role: Role, pixels: Pixels, stored: Stored) -> None:
        """Have a file written; by this process, if it would only wait for workers that lag."""
        file = self.series.instances[instance]
        path, measured = self.layout.path(file.target, role), role == "image" and stored.changed
        task: tuple[Any, ...] = (
            self.root,
            self.series.alone(instance),
            0,
            stored,
            self.plan(file.path, role),
            self.run.staging(self.series.key, path),
            partial(self.figures, pixels) if measured and self.figures else None,
        )
        while self._writing and self._writing[0][1].done():
            self._note(*self._writing.popleft())
        lags = len(self._writing) >= WAITING * self.workers.count
        if lags and self._is_plain(pixels):
            self.take(path, _written(*task))
            return
        if lags:
            self._note(*self._writing.popleft())
        self._writing.append((path, self.workers.submit(_written, *task)))

    def _note(self, path: str, task: "Future[Written]") -> None:
        self.take(path, task.result())


def _written(
    root: Path,
    series: Series,
    instance: int,
    stored: Stored,
    plan: Any,
    to: Path,
    figures: Callable[[Stored, str], Mapping[str, Any] | None] | None,
) -> Written:
    """Write a file as ``formats.write`` does, and measure it; can run in a worker."""
    written = formats.write(root, series, instance, stored, plan, to)
    return replace(written, figures=figures(stored, series.modality)) if figures else written
