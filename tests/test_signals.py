"""Signals set a flag, with the exit status that belongs to them."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from medclean.errors import Exit, Stopped
from medclean.signals import STOPPING, stop_on_signals


@pytest.fixture(autouse=True)
def default_handlers():
    """As in a shell, also where the tests run under nohup, which ignores some."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in STOPPING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_sets_the_flag_and_the_run_stops_at_the_next_check(number):
    with stop_on_signals() as stop:
        stop.check()
        assert not stop.asked
        os.kill(os.getpid(), number)
        assert stop.asked
        with pytest.raises(Stopped, match="run the same command again") as caught:
            stop.check()
    assert caught.value.status == stop.status
    assert stop.status == (Exit.INTERRUPTED if number == signal.SIGINT else Exit.STOPPED)


def test_the_first_signal_decides_and_only_a_second_ctrl_c_stops_at_once():
    with stop_on_signals() as stop:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(os.getpid(), number)
        assert stop.status == Exit.STOPPED
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_handlers_are_restored():
    before = [signal.getsignal(number) for number in STOPPING]
    with pytest.raises(ValueError, match="any"), stop_on_signals():
        raise ValueError("any")
    assert [signal.getsignal(number) for number in STOPPING] == before


def test_a_signal_ignored_at_the_start_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.asked
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_outside_the_main_thread_signals_are_left_alone():
    handlers = []

    def work():
        with stop_on_signals():
            handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]


def test_a_process_that_is_started_inherits_no_handler():
    ask = "import signal; print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)"
    with stop_on_signals():
        told = subprocess.run([sys.executable, "-c", ask], capture_output=True, check=True)
    assert told.stdout == b"True\n"
