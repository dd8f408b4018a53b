"""One job at a time writes to a folder, or the shards of one job."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import pytest

from medclean.archive.runs import lock as module
from medclean.archive.runs.lock import Holder, Lock, hold
from medclean.archive.runs.shard import Shard
from medclean.errors import Exit, WriteError

HERE = Holder.here("work", {})


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "out" / "medclean-run"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def dead():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return replace(HERE, pid=process.pid, token="dead")


def holding(folder, shard=None, work="work", environ=None):
    return hold(folder, shard, work, environ or {})


def put(folder, holder, name="lock", age=0):
    (folder / name).write_bytes(holder.line())
    then = time.time() - age
    os.utime(folder / name, (then, then))


def test_a_second_job_is_told_who_holds_the_folder(folder):
    with holding(folder, environ={"SLURM_JOB_ID": "123"}):
        told = rf"out is being written by process {os.getpid()} on .*, SLURM job 123"
        with pytest.raises(WriteError, match=told) as caught, holding(folder):
            pass
        assert caught.value.status == Exit.CANNOT_WRITE
    with holding(folder):
        pass
    assert not os.listdir(folder)


@pytest.mark.parametrize(
    ("first", "second", "work", "together"),
    [
        (Shard(1, 4), Shard(2, 4), "work", True),
        (Shard(1, 4), Shard(1, 4), "work", False),
        (Shard(1, 4), Shard(2, 4), "other", False),
        (Shard(1, 4), Shard(2, 8), "work", False),
        (Shard(1, 4), None, "work", False),
        (None, Shard(1, 4), "work", False),
    ],
)
def test_only_shards_of_one_job_work_side_by_side(folder, first, second, work, together):
    with holding(folder, first), ExitStack() as stack:
        if not together:
            stack.enter_context(pytest.raises(WriteError))
        with holding(folder, second, work):
            assert len(os.listdir(folder)) == 2
    assert not os.listdir(folder)


@pytest.mark.parametrize("name", ["lock", "lock-2-of-9"])
def test_the_lock_of_a_process_that_is_gone_is_removed(folder, dead, name):
    put(folder, dead, name)
    with holding(folder):
        assert os.listdir(folder) == ["lock"]


def test_a_process_number_that_is_used_again_is_another_process(folder):
    put(folder, replace(HERE, born=HERE.born - 1))
    with holding(folder):
        pass


@pytest.mark.parametrize(("age", "stale"), [(500, False), (700, True)])
def test_elsewhere_a_job_is_gone_after_ten_minutes_without_a_sign_of_life(folder, age, stale):
    put(folder, replace(HERE, host="node7", place="node7"), age=age)
    with ExitStack() as stack:
        if not stale:
            stack.enter_context(pytest.raises(WriteError, match="node7"))
        stack.enter_context(holding(folder))


@pytest.mark.parametrize(("restarts", "taken"), [("0", False), ("1", True)])
def test_a_job_that_slurm_moved_to_another_node_takes_its_own_lock(folder, restarts, taken):
    put(folder, replace(HERE, host="node7", place="node7", job="123"))
    environ = {"SLURM_JOB_ID": "123", "SLURM_RESTART_COUNT": restarts}
    with ExitStack() as stack:
        if not taken:
            stack.enter_context(pytest.raises(WriteError))
        stack.enter_context(holding(folder, environ=environ))


@pytest.mark.parametrize(("age", "stale"), [(0, False), (700, True)])
def test_a_lock_that_cannot_be_read_counts_by_its_age(folder, age, stale):
    put(folder, HERE, age=age)
    (folder / "lock").write_text("{")
    os.utime(folder / "lock", (time.time() - age,) * 2)
    with ExitStack() as stack:
        if not stale:
            stack.enter_context(pytest.raises(WriteError))
        stack.enter_context(holding(folder))


def test_a_job_notices_that_its_lock_was_taken_over(folder):
    with holding(folder) as lock:
        (folder / "lock").unlink()
        lock.check()  # nobody else: it is made again
        lock.check()
        put(folder, replace(HERE, host="node7", pid=1, token="other"))
        with pytest.raises(WriteError, match="taken over by process 1 on node7"):
            lock.check()
    assert os.listdir(folder) == ["lock"]  # theirs is left


def test_a_lock_gives_signs_of_life(folder, monkeypatch):
    monkeypatch.setattr(module, "_RENEWED", 0.01)
    with holding(folder):
        os.utime(folder / "lock", (0, 0))
        for _ in range(500):
            if (folder / "lock").stat().st_mtime:
                return
            time.sleep(0.01)
    pytest.fail("not renewed")


def test_of_many_that_find_a_stale_lock_one_gets_it(folder, dead):
    def race(_):
        lock = Lock(folder, None, Holder.here("work", {}))
        try:
            lock.take()
            lock.check()
        except WriteError:
            return None
        return lock

    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            put(folder, dead)
            (lock,) = [lock for lock in pool.map(race, range(8)) if lock]
            lock.release()
            assert not os.listdir(folder)
