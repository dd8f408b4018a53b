"""Walking a tree: everything is seen once, and nothing in it stops the walk."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from medclean.errors import UsageError
from medclean.files import Found, walk


def paths(root: Path) -> list[str]:
    return [found.path for found in walk(root) if not found.why_not]


def reasons(root: Path) -> dict[str, str]:
    return {found.path: found.why_not for found in walk(root) if found.why_not}


def test_files_come_sorted_with_relative_paths(tmp_path):
    for name in ("b/2", "b/1", "a.txt", "a/z", "b/deep/er/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert paths(tmp_path) == ["a.txt", "a/z", "b/1", "b/2", "b/deep/er/x"]


def test_a_file_finds_itself(tmp_path):
    (tmp_path / "one.dcm").touch()
    assert walk(tmp_path / "one.dcm") == [Found("one.dcm")]


def test_no_such_path(tmp_path):
    with pytest.raises(UsageError, match="no file or folder"):
        walk(tmp_path / "missing")


def test_links_are_followed_and_loops_end(tmp_path):
    (tmp_path / "z").mkdir()
    (tmp_path / "z/file").touch()
    (tmp_path / "a").symlink_to("z")  # sorts before the folder that it leads to
    (tmp_path / "z/up").symlink_to("..")
    (tmp_path / "link").symlink_to("z/file")
    assert paths(tmp_path) == ["link", "z/file"]
    assert set(reasons(tmp_path)) == {"a", "z/up"}


def test_a_linked_folder_elsewhere_is_walked(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").touch()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link").symlink_to(tmp_path / "elsewhere")
    assert paths(tmp_path / "tree") == ["link/file"]


def test_what_is_no_file_is_told_and_never_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "null").symlink_to("/dev/null")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    with socket.socket(socket.AF_UNIX) as server:
        folder = os.open(tmp_path, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{folder}/socket")
        os.close(folder)
        found = {entry.path: entry for entry in walk(tmp_path)}
    assert found["fifo"].why_not == "a named pipe, not a file"
    assert found["null"].why_not == "a device, not a file"
    assert found["socket"].why_not == "a socket, not a file"
    assert not any(found[name].failed for name in ("fifo", "null", "socket"))
    assert all(found[name].failed for name in ("dangling", "circle"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_has_failed(tmp_path):
    (tmp_path / "folder").mkdir(mode=0o000)
    (tmp_path / "file").touch(mode=0o000)
    assert [(found.path, found.failed) for found in walk(tmp_path)] == [
        ("file", True),
        ("folder", True),
    ]
    (tmp_path / "folder").chmod(0o700)


def test_names_that_are_no_utf8_survive(tmp_path):
    name = os.fsdecode(b"caf\xe9.dcm")
    (tmp_path / name).touch()
    assert paths(tmp_path) == [name]
    assert (tmp_path / paths(tmp_path)[0]).is_file()


def test_a_tree_deeper_than_any_recursion(tmp_path):
    here, depth = os.getcwd(), sys.getrecursionlimit() + 200
    os.chdir(tmp_path)
    try:
        for _ in range(depth):  # one name a level: longer paths than the system takes at once
            os.mkdir("d")
            os.chdir("d")
        Path("file").touch()
        os.chdir(tmp_path)
        assert paths(tmp_path) == ["d/" * depth + "file"]
    finally:
        os.chdir(here)
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # Python's own way recurses
