"""Processes that read and write files: one that dies or hangs fails its task, not the run."""

import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socketpair
from time import monotonic
from traceback import format_tb
from types import TracebackType
from typing import Any, Self, TypeVar

from medclean.archive.limits import Limits, limits
from medclean.device import keep_memory
from medclean.errors import DataError, MedcleanError

T = TypeVar("T")
R = TypeVar("R")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGXCPU)
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_KEPT = 1 << 27  # bytes that a worker keeps of what it freed, enough for the next image
_STEPS, _RETURNED, _RAISED = range(3)  # kinds of answers
_MOMENT = 0.1  # seconds
_LEAST_SHARE, _LARGEST_SHARE = 3 << 30, 32 << 30  # bytes; libraries alone map one of them
_RUN = """
import sys
sys.path[:] = {path!r}
from medclean.archive.limits import *
from medclean.archive.workers import work
with limited({limits}):
    work({fd}, {limit})
"""


class Workers:
    """A pool of processes that call functions of modules.

    Each is started anew, not forked, when the first task needs it, so that threads and an
    initialised GPU do no harm; a thread here serves it. What a signal means is decided in this
    process: workers block them all, and end when it does. Their stderr is dropped, because codecs
    write to it as they like.

    Args:
        count: At most so many processes, of one thread each.
        seconds: Time limit of a task.
        limit_bytes: Address space of a worker; if not given an even share of the memory, 32 GiB at
            most. A few damaged bytes make a codec ask for all there is.
    """

    def __init__(self, count: int, *, seconds: float = 600, limit_bytes: int | None = None) -> None:
        self.count, self.seconds = count, seconds
        self.limit_bytes = int(limit_bytes or _share(count))
        self._limits = limits()  # what holds here holds in the workers
        self._threads = ThreadPoolExecutor(count, "medclean-worker", _block_signals)
        self._own = threading.local()  # .process: the one that a thread serves
        self._processes: set[_Process] = set()
        self._lock = threading.Lock()  # over the set and the flag
        self._aborted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """Wait for all tasks; where the block ended with an error, drop them instead."""
        if kind is not None:
            with self._lock:
                self._aborted = True
                for process in self._processes:
                    process.kill()
        self._threads.shutdown(cancel_futures=kind is not None)
        for process in self._processes:
            process.close()

    def submit(self, function: Callable[..., R], *args: Any) -> "Future[R]":
        """Have a function called in a worker; function and arguments are pickled.

        The future raises what the function raises, and DataError where the worker died, took
        longer than its time or ran out of memory.
        """
        request = pickle.dumps((function, args, False), pickle.HIGHEST_PROTOCOL)
        return self._threads.submit(self._call, request)

    def follow(
        self, function: Callable[..., R], *args: Any, take: Callable[[Any], object]
    ) -> "Future[R]":
        """As ``submit``, of a function that tells of its steps; the time limit holds for each.

        Args:
            function: Its first argument is what it tells them with.
            args: The others.
            take: Called with each step, in a thread of this pool; steps in quick succession come
                together.
        """
        request = pickle.dumps((function, args, True), pickle.HIGHEST_PROTOCOL)
        return self._threads.submit(self._call, request, take)

    def map(
        self, function: Callable[[T], R], items: Iterable[T], *, ahead: int | None = None
    ) -> "Iterator[tuple[T, Future[R]]]":
        """Each item with its finished future, in order.

        Args:
            function: Takes one item.
            items: Asked for as results are taken, so that memory does not grow with them.
            ahead: Items under way at once; two a worker if not given.
        """
        pending: deque[tuple[T, Future[R]]] = deque()
        for item in items:
            pending.append((item, self.submit(function, item)))
            if len(pending) >= (ahead or 2 * self.count):
                yield _finished(*pending.popleft())
        while pending:
            yield _finished(*pending.popleft())

    def _call(self, request: bytes, take: Callable[[Any], object] = lambda _: None) -> Any:
        process = getattr(self._own, "process", None) or self._start()
        try:
            kind, answer = process.ask(request, self.seconds)
            while kind == _STEPS:
                for step in answer:
                    take(step)
                kind, answer = process.hear(self.seconds)
        except DataError:
            self._drop(process)
            raise
        if kind == _RAISED:
            raise answer
        return answer

    def _start(self) -> "_Process":
        with self._lock:
            if self._aborted:
                raise DataError("stopped before it began")
            self._own.process = _Process(self.limit_bytes, self._limits)
            self._processes.add(self._own.process)
        return self._own.process

    def _drop(self, process: "_Process") -> None:
        self._own.process = None
        with self._lock:
            self._processes.discard(process)
        process.close()


class _Process:
    """A worker and the pipe to it."""

    def __init__(self, limit_bytes: int, limits: Limits) -> None:
        ours, theirs = socketpair()
        with theirs:
            self._popen = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _RUN.format(
                        path=sys.path, fd=theirs.fileno(), limit=limit_bytes, limits=limits
                    ),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=os.environ | _ONE_THREAD,
            )
        self._pipe = Connection(ours.detach())

    def ask(self, request: bytes, seconds: float) -> Any:
        """Have a function called; then as ``hear``."""
        with suppress(OSError):  # to be told by the answer that does not come
            self._pipe.send_bytes(request)
        return self.hear(seconds)

    def hear(self, seconds: float) -> Any:
        """What comes next, and of what kind: some steps, the result, an error.

        Raises:
            DataError: The process is lost.
        """
        try:
            if not self._pipe.poll(seconds):
                raise DataError(f"took longer than {seconds:g} s and was stopped")
            return pickle.loads(self._pipe.recv_bytes())
        except (EOFError, OSError):
            raise DataError(f"the process that worked on it {_ended(self._popen)}") from None

    def kill(self) -> None:
        self._popen.kill()

    def close(self) -> None:
        """End the process, which may be at work or gone."""
        self._pipe.close()
        self.kill()
        self._popen.wait()


def work(fd: int, limit_bytes: int) -> None:
    """What a worker does: answer requests until the pipe is closed at the other end."""
    with suppress(OSError, ValueError):  # not everywhere
        resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))
    keep_memory(_KEPT)
    with suppress(OSError):  # should memory run out, it is a worker that goes
        Path("/proc/self/oom_score_adj").write_text("500")
    pipe = Connection(fd)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            teller = _Teller(pipe)
            answer = _answer(pipe.recv_bytes(), teller)
            teller.send()
            pipe.send_bytes(answer)


class _Teller:
    """Sends what it is called with: at once, but not several times in a moment."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._steps, self._sent = pipe, list[Any](), monotonic()

    def __call__(self, step: Any) -> None:
        self._steps.append(step)
        if monotonic() - self._sent > _MOMENT:
            self.send()

    def send(self) -> None:
        """Send what waits."""
        if self._steps:
            self._pipe.send_bytes(pickle.dumps((_STEPS, self._steps), pickle.HIGHEST_PROTOCOL))
        self._steps, self._sent = [], monotonic()


def _answer(request: bytes, teller: _Teller) -> bytes:
    try:
        function, args, tells = pickle.loads(request)
        result = function(teller, *args) if tells else function(*args)
        return pickle.dumps((_RETURNED, result), pickle.HIGHEST_PROTOCOL)
    except MemoryError:
        failure: Exception = DataError("needs more memory than a worker may use")
    except MedcleanError as error:
        failure = error
    except Exception as error:  # a bug, to be shown by the process that asked
        error.add_note("in a worker:\n" + "".join(format_tb(error.__traceback__)))
        failure = error
    try:
        packed = pickle.dumps((_RAISED, failure.with_traceback(None)))
        pickle.loads(packed)
        return packed
    except Exception:  # a foreign exception that cannot be pickled, or not be made again
        return pickle.dumps((_RAISED, RuntimeError(f"{type(failure).__name__} in a worker")))


def _share(count: int) -> int:
    """Memory for each of so many workers, as much again kept for the process that asks them."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(max(memory // (count + 1), _LEAST_SHARE), _LARGEST_SHARE)


def _block_signals() -> None:
    """In a serving thread: its processes inherit that, so that Ctrl-C leaves them at work."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)


def _ended(process: "subprocess.Popen[bytes]") -> str:
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    code = process.poll()
    if code is None:
        return "fell silent"
    if code < 0:
        with suppress(ValueError):
            return f"died of {signal.Signals(-code).name}"
    return f"ended with status {code}"


def _finished(item: T, future: "Future[R]") -> "tuple[T, Future[R]]":
    wait([future])
    return item, future
