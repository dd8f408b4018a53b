"""Ctrl-C, SIGTERM and their like set a flag; the run stops where it can go on later."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from medclean.errors import AGAIN, Exit, Stopped

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGXCPU)


class Stop:
    """Whether the run was asked to stop.

    Attributes:
        signal: The first signal that asked, or None.
        again: What the user does to go on.
    """

    def __init__(self, again: str = AGAIN) -> None:
        self.again = again
        self.signal: signal.Signals | None = None
        self._interrupts = 0
        self._process = os.getpid()

    @property
    def asked(self) -> bool:
        """A signal has come."""
        return self.signal is not None

    @property
    def status(self) -> Exit:
        """The exit status of a run that stops now."""
        if self.signal is None:
            return Exit.DONE
        return Exit.INTERRUPTED if self.signal == signal.SIGINT else Exit.STOPPED

    def check(self) -> None:
        """Nothing, unless a signal has come.

        Raises:
            Stopped: One has, with the status that belongs to it.
        """
        if self.signal is not None:
            name = "Ctrl-C" if self.signal == signal.SIGINT else self.signal.name
            text = f"stopped by {name}; {self.again} to go on"
            raise Stopped(text, self.status)

    def on_signal(self, number: int, _: FrameType | None) -> None:
        """The handler: only notes what came. A second Ctrl-C raises KeyboardInterrupt."""
        if os.getpid() != self._process:
            return  # a forked worker: the main process decides
        if self.signal is None:
            self.signal = signal.Signals(number)
        self._interrupts += number == signal.SIGINT
        if self._interrupts > 1:
            raise KeyboardInterrupt


@contextmanager
def stop_on_signals(again: str = AGAIN) -> Iterator[Stop]:
    """Let signals set a flag instead of ending the process, as long as the block runs.

    A signal that is ignored when the block begins stays ignored, as under ``nohup`` or in the
    background of a script. Outside the main thread signals are left as they are.
    """
    stop = Stop(again)
    before = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in STOPPING:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):  # None: not Python's
                    before[number] = signal.signal(number, stop.on_signal)
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
