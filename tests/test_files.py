"""Files are there whole or not at all, with the mode and group that users expect."""

import errno
import os
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import pytest

from medclean.errors import WriteError
from medclean.files import create, make_folder, sha256_of, write_parts, write_whole, writing


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_file_has_its_content_its_hash_and_the_mode_of_the_umask(tmp_path, umask):
    path = tmp_path / "file"
    assert write_whole(path, b"content") == sha256(b"content").hexdigest() == sha256_of(path)
    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o777 == 0o640


def test_what_fails_half_way_changes_nothing(tmp_path):
    path = tmp_path / "file"
    write_whole(path, b"old")
    with pytest.raises(ZeroDivisionError), writing(path) as file:
        file.write(b"new" * 10_000 + bytes([1 // 0]))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_parts_become_one_file_that_replaces_another(tmp_path, umask):
    path, other = tmp_path / "file", tmp_path / "other"
    path.write_bytes(b"what a killed process left of it, longer than what comes")
    os.link(path, other)
    parts = [bytes([n % 256]) * (n % 3) for n in range(3000)] + [memoryview(b"end"), b""]
    write_parts(path, parts)
    assert path.read_bytes() == b"".join(parts)
    assert path.stat().st_mode & 0o777 == 0o640
    assert other.read_bytes().startswith(b"what a killed")  # a process may be at it still


def test_parts_that_do_not_fit_leave_no_file(tmp_path):
    size = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, size[1]))
    try:
        with pytest.raises(WriteError, match="ulimit"):
            write_parts(tmp_path / "file", [bytes(600)] * 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, size)
        signal.signal(signal.SIGXFSZ, before)
    assert list(tmp_path.iterdir()) == []


def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path):
    write_whole(tmp_path / ("n" * 255), b"content")
    assert os.listdir(tmp_path) == ["n" * 255]


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files to any group")
def test_files_and_folders_get_the_group_of_their_folder(tmp_path):
    os.chown(tmp_path, -1, 12345)
    make_folder(tmp_path / "a" / "b")
    write_whole(tmp_path / "a" / "b" / "file", b"")
    create(tmp_path / "a" / "b" / "made", b"")
    assert {path.stat().st_gid for path in tmp_path.rglob("*")} == {12345}


def test_a_full_disk_is_told_with_the_next_step(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(WriteError, match=r"cannot write .*a\.dcm: File too large; .*ulimit -f"):
            write_whole(tmp_path / "a.dcm", b"x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not os.listdir(tmp_path)


def test_no_permission_is_told_with_the_next_step(tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError(errno.EACCES, "Permission denied", *map(str, args))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(WriteError, match=r"b\.dcm: Permission denied; .* elsewhere with -o"):
        write_whole(tmp_path / "b.dcm", b"")
    assert not os.listdir(tmp_path)


def test_of_many_that_create_a_file_one_does(tmp_path):
    path = tmp_path / "secret"

    def race(number):
        made = create(path, b"%d" % number, mode=0o600)
        return made, path.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        made, seen = zip(*pool.map(race, range(50)), strict=True)
    assert sum(made) == 1
    assert set(seen) == {b"%d" % made.index(True)}
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["secret"]


def test_a_disk_without_hard_links_will_do(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert create(tmp_path / "file", b"first")
    assert not create(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_whose_confirmation_was_lost_counts(tmp_path, monkeypatch):
    link = os.link

    def link_twice(*names):
        link(*names)
        link(*names)

    monkeypatch.setattr(os, "link", link_twice)
    assert create(tmp_path / "file", b"ours")
