"""What a run says while it works: bars on a terminal, now and then a plain line in a job log."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, Task, TaskID
    from rich.text import Text

_METER = "{desc}: {n_fmt}/{total_fmt} ({percentage:.0f}%), {rate_fmt}, {remaining} left"
_WAITING = "{desc}: {n_fmt}/{total_fmt}"  # nothing is through yet that a rate could come from


def printable(text: str) -> str:
    """A text without what a terminal would obey: a file may be named for a control sequence."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def size(count: float) -> str:
    """Bytes for people: ``210 MB``."""
    *smaller, largest = ("B", "kB", "MB", "GB", "TB")
    for unit in smaller:
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} {largest}"


@dataclass(eq=False)
class Bar:
    """How far one thing has come.

    Attributes:
        title: What is being worked through: ``"series"``.
        total: How many units there are, or None where nobody knows.
        unit: One of them: ``"slice"``.
        done: How many are through.
        text: What else is worth saying: the device, the batch.
    """

    title: str
    total: int | None
    unit: str
    _show: Callable[["Bar"], None]
    done: int = 0
    text: str = ""
    started: float = field(default_factory=lambda: monotonic())

    def advance(self, n: int = 1) -> None:
        """So many more units are through."""
        self.done += n
        self._show(self)

    def note(self, text: str) -> None:
        """Say something beside the bar, until something else is said."""
        self.text = printable(text)
        self._show(self)


class Log:
    """Says on stderr what happens, and how far it has come.

    Args:
        stream: Where to; stderr if not given.
        quiet: Warnings only.
        every: Seconds between two lines about progress where the stream is no terminal.
    """

    def __init__(
        self, stream: TextIO | None = None, *, quiet: bool = False, every: float = 30
    ) -> None:
        stream = stream or sys.stderr
        self.quiet = quiet
        animated = stream.isatty() and os.environ.get("TERM") != "dumb" and not quiet
        self._screen: _Screen = _Terminal(stream) if animated else _Lines(stream, every)

    def say(self, text: str) -> None:
        """One line about what happens."""
        if not self.quiet:
            self._write(text)

    def warn(self, text: str) -> None:
        """One line about what the user should look at."""
        self._write(f"warning: {text}")

    @contextmanager
    def bar(self, title: str, total: int | None, unit: str = "slice") -> Iterator[Bar]:
        """Show how far something comes while the block runs; bars may stand in one another."""
        show = (lambda bar: None) if self.quiet else self._screen.show
        bar = Bar(printable(title), total, unit, show)
        show(bar)
        try:
            yield bar
        finally:
            self._screen.close(bar)

    def _write(self, text: str) -> None:
        with suppress(BrokenPipeError):  # whoever read along is gone; the run goes on
            self._screen.write(printable(text))


class _Screen(Protocol):
    def write(self, line: str) -> None: ...
    def show(self, bar: Bar) -> None: ...
    def close(self, bar: Bar) -> None: ...


class _Lines:
    """All open bars in one line, once in a while: no colour, nothing is drawn over."""

    def __init__(self, stream: TextIO, every: float) -> None:
        self.stream, self.every = stream, every
        self.bars: list[Bar] = []
        self.said = monotonic()

    def write(self, line: str) -> None:
        print(line, file=self.stream, flush=True)

    def show(self, bar: Bar) -> None:
        if bar not in self.bars:
            self.bars.append(bar)
        if monotonic() - self.said >= self.every:
            self._say()

    def close(self, bar: Bar) -> None:
        if bar in self.bars:
            if self.bars == [bar] and monotonic() - bar.started >= self.every:
                self._say()  # the last word on what took a while
            self.bars.remove(bar)

    def _say(self) -> None:
        self.said = monotonic()
        with suppress(BrokenPipeError):
            self.write(" | ".join(map(_meter, self.bars)))


class _Terminal:
    """A bar for each thing that is going on, under the lines."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self.console = Console(file=stream)
        self.progress: Progress | None = None
        self.tasks: dict[Bar, TaskID] = {}

    def write(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show(self, bar: Bar) -> None:
        if self.progress is None:
            self.progress = _progress(self.console)
            self.progress.start()
        if bar not in self.tasks:
            self.tasks[bar] = self.progress.add_task(
                bar.title, total=bar.total, unit=bar.unit, note=""
            )
        self.progress.update(self.tasks[bar], completed=bar.done, note=bar.text)

    def close(self, bar: Bar) -> None:
        task = self.tasks.pop(bar, None)
        if self.progress is None or task is None:
            return
        self.progress.remove_task(task)
        if not self.tasks:
            self.progress.stop()
            self.progress = None


def _meter(bar: Bar) -> str:
    from tqdm import tqdm

    meter = tqdm.format_meter(
        bar.done,
        bar.total or 0,
        monotonic() - bar.started,
        unit=bar.unit,
        prefix=bar.title.strip(),
        bar_format=(_METER if bar.done else _WAITING) if bar.total else None,
    )
    return f"{meter}, {bar.text}" if bar.text else meter


def _progress(console: "Console") -> "Progress":
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: "Task") -> "Text":
            unit, speed = task.fields["unit"], task.speed
            if not speed:
                return Text()
            return Text(f"{speed:.1f} {unit}/s" if speed >= 1 else f"{1 / speed:.0f} s/{unit}")

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}", markup=False, style="dim"),
        console=console,
        transient=True,
    )
