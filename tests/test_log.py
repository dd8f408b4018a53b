"""What a run says: bars on a terminal, plain lines elsewhere."""

import io
from collections.abc import Callable

import pytest

from medclean import log as module
from medclean.log import Log, printable

HOSTILE = "scan\x1b[2J\x07\udc80.dcm"


class Terminal(io.StringIO):
    """A stream that claims to be one."""

    def isatty(self) -> bool:
        return True


class Closed(io.StringIO):
    """A pipe that nobody reads any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.fixture
def clock(monkeypatch) -> Callable[[float], None]:
    """Time that passes only when it is told to."""
    now = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def test_off_a_terminal_a_line_comes_now_and_then(clock):
    stream = io.StringIO()
    log = Log(stream, every=30)
    with log.bar("series", 2, "series") as outer:
        for _ in range(2):
            with log.bar("MR 12ab", 50, "slice") as inner:
                inner.note("cpu, batch 4")
                for _ in range(50):
                    clock(1)
                    inner.advance()
            outer.advance()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4  # after 30, 60 and 90 seconds, and at the end
    assert lines[0].startswith("series: 0/2")
    assert "MR 12ab: 30/50 (60%),  1.00slice/s, 00:20 left, cpu, batch 4" in lines[0]
    assert lines[-1].startswith("series: 2/2 (100%)")


def test_off_a_terminal_nothing_is_drawn(clock, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    stream = io.StringIO()
    log = Log(stream, every=0)
    log.say(HOSTILE)
    log.warn(HOSTILE)
    with log.bar(HOSTILE, None) as bar:
        bar.note(HOSTILE)
        bar.advance(3)
    assert "warning: scan" in stream.getvalue()
    assert all(line.isprintable() for line in stream.getvalue().splitlines())


def test_what_is_done_quickly_needs_no_line():
    stream = io.StringIO()
    with Log(stream).bar("series", 3) as bar:
        bar.advance(3)
    assert not stream.getvalue()


def test_a_terminal_shows_bars_and_lines(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    log = Log(stream)
    with log.bar("series", 2, "series") as outer, log.bar("[MR]", 10) as inner:
        inner.advance(10)
        log.say("reads [bold].dcm")
        outer.advance()
    shown = stream.getvalue()
    for text in ("series", "[MR]", "0/10", "reads [bold].dcm"):
        assert text in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back


def test_no_color_is_honoured(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    with Log(stream).bar("series", 2) as bar:
        bar.advance()
    assert "\x1b[3" not in stream.getvalue()


def test_a_quiet_log_only_warns():
    stream = Terminal()
    log = Log(stream, quiet=True)
    log.say("begins")
    with log.bar("series", 2) as bar:
        bar.advance()
    log.warn("odd")
    assert stream.getvalue() == "warning: odd\n"


def test_a_reader_who_is_gone_does_not_stop_the_run():
    log = Log(Closed(), every=0)
    log.say("begins")
    with log.bar("series", 2) as bar:
        bar.advance()


def test_control_sequences_become_text():
    assert printable("a\x1b[31mé\n") == "a\\x1b[31mé\\n"
