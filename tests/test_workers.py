"""Worker processes: results come back, and whatever happens in one costs one task."""

import os
import signal
import threading
import time
from concurrent.futures import wait

import pytest

from medclean.archive.workers import Workers
from medclean.errors import DataError


def double(number: int) -> int:
    return 2 * number


def pid() -> int:
    return os.getpid()


def nap(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def die(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


def refuse() -> None:
    raise DataError("no image")


def stumble() -> None:
    raise KeyError("a bug")


class Odd(Exception):
    """Cannot be made again from its arguments."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(one + two)


def stumble_oddly() -> None:
    raise Odd(1, 2)


def exhaust() -> int:
    return len(bytes(1 << 40))


def count_up(tell, last: int) -> str:
    for number in range(last):
        tell(number)
    return "done"


def count_slowly(tell, last: int) -> None:
    for number in range(last):
        time.sleep(0.4)
        tell(number)


def count_and_refuse(tell, last: int) -> None:
    count_up(tell, last)
    raise DataError("no more")


def take_lock() -> threading.Lock:
    return threading.Lock()


def test_results_come_back_in_order():
    with Workers(2) as workers:
        results = [done.result() for _, done in workers.map(double, range(20), ahead=3)]
    assert results == [2 * number for number in range(20)]


def test_steps_are_told_before_the_end():
    told = []
    with Workers(1) as workers:
        done = workers.follow(count_up, 1000, take=told.append)
        assert (done.result(), told) == ("done", list(range(1000)))
        told.clear()
        with pytest.raises(DataError, match=r"^no more$"):
            workers.follow(count_and_refuse, 3, take=told.append).result()
        assert told == [0, 1, 2]


def test_the_time_limit_holds_for_each_step():
    told = []
    with Workers(1) as workers:
        workers.submit(double, 1).result()  # it takes long to start on a busy machine
        workers.seconds = 1.0
        assert workers.follow(count_slowly, 4, take=told.append).result() is None
        assert told == [0, 1, 2, 3]
        workers.seconds = 0.2
        with pytest.raises(DataError, match=r"longer than 0\.2 s"):
            workers.follow(count_slowly, 4, take=told.append).result()


def test_items_are_asked_for_as_results_are_taken():
    asked = []

    def items():
        for number in range(100):
            asked.append(number)
            yield number

    with Workers(1) as workers:
        results = workers.map(double, items(), ahead=4)
        next(results)
        assert len(asked) == 4
        results.close()


def test_processes_start_when_needed_and_soon():
    began = time.monotonic()
    with Workers(16) as workers:
        assert not workers._processes
        assert workers.submit(pid).result() != os.getpid()
        assert len(workers._processes) == 1
    assert time.monotonic() - began < 5  # 0.2 s on an idle machine


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_dies_costs_its_task_only(number):
    with Workers(1) as workers:
        before = workers.submit(pid).result()
        with pytest.raises(DataError, match=number.name):
            workers.submit(die, number).result()
        assert workers.submit(pid).result() != before


def test_a_task_that_takes_too_long_is_stopped():
    with Workers(1, seconds=1) as workers:
        slow = workers.submit(nap, 60)
        with pytest.raises(DataError, match="longer than 1 s"):
            slow.result()
        assert workers.submit(double, 4).result() == 8


def test_what_a_function_raises_comes_back():
    with Workers(1) as workers:
        with pytest.raises(DataError, match=r"^no image$"):
            workers.submit(refuse).result()
        with pytest.raises(KeyError) as bug:
            workers.submit(stumble).result()
        assert "in stumble" in bug.value.__notes__[0]
        with pytest.raises(TypeError, match="pickle"):
            workers.submit(take_lock).result()
        with pytest.raises(RuntimeError, match="Odd in a worker"):
            workers.submit(stumble_oddly).result()


@pytest.mark.parametrize("limit", [1 << 31, None])
def test_memory_is_limited(limit):
    with Workers(1, limit_bytes=limit) as workers:
        with pytest.raises(DataError, match="more memory"):
            workers.submit(exhaust).result()
        assert workers.submit(double, 1).result() == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_workers_at_work(number):
    with Workers(1) as workers:
        process = workers.submit(pid).result()
        task = workers.submit(nap, 0.3)
        os.kill(process, number)
        assert task.result() == process


def test_an_error_in_the_block_ends_it_at_once():
    began, tasks = time.monotonic(), []
    with pytest.raises(ZeroDivisionError), Workers(1) as workers:  # noqa: PT012  # all of the block is what ends
        tasks.extend(workers.submit(nap, 60) for _ in range(3))
        time.sleep(0.5)
        raise ZeroDivisionError
    assert time.monotonic() - began < 10
    assert all(task.done() for task in tasks)


def test_workers_end_when_their_parent_is_killed():
    with Workers(1) as outer:
        inner = outer.submit(start_inner).result()
        outer.submit(double, 1).result()
        parent = outer.submit(pid).result()
        os.kill(parent, signal.SIGKILL)
        wait_until_gone(inner)


def start_inner() -> int:
    global kept
    kept = Workers(1)
    return kept.submit(pid).result()


def wait_until_gone(process: int) -> None:
    for _ in range(100):
        try:
            with open(f"/proc/{process}/stat") as stat:
                if stat.read().split()[2] == "Z":
                    return
        except FileNotFoundError:
            return
        time.sleep(0.05)
    raise AssertionError("the worker outlived its parent")


def test_leaving_waits_for_all_tasks():
    with Workers(2) as workers:
        tasks = [workers.submit(nap, 0.2) for _ in range(4)]
    assert wait(tasks, timeout=0).not_done == set()
    assert len({task.result() for task in tasks}) == 2
