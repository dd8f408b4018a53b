"""A command in miniature that can be killed: each folder of a study is a series.

``python little_run.py STUDY OUT [SHARD]`` runs it; its result is each file, turned round.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from medclean.archive.runs import Shard, open_run
from medclean.errors import MedcleanError
from medclean.files import write_whole

SETTINGS = {"result": {"model": "turned"}, "form": {}}
FILES = 3  # in a series
CALLS = ("write", "fsync", "link", "unlink", "replace", "rename", "mkdir", "rmdir", "ftruncate")


def make_study(root, series=3):
    """Folders of files, and one file that is no image."""
    root.mkdir()
    for number in range(series):
        folder = root / f"series-{number}"
        folder.mkdir()
        for name in range(FILES):
            (folder / f"{name}.dcm").write_bytes(f"{number} {name} ".encode() * 500)
    (root / "notes.txt").write_text("no image")
    return root


def opened(out, settings=SETTINGS, **options):
    return open_run(out, command="turn", settings=settings, environ={}, **options)


def turn(study, out, **options):
    """Run the command; returns its tally."""
    with opened(out, **options) as run:
        series = {path.name: path for path in sorted(study.iterdir()) if path.is_dir()}
        run.divide(list(series))
        if run.owns("notes.txt"):
            run.input("notes.txt", "skipped", "not DICOM")
        for key, folder in series.items():
            if run.owns(key):
                run.expect(key, [f"{key}/{path.name}" for path in sorted(folder.iterdir())])
                if not run.done(key):
                    turn_series(run, key, study)
        return run.finish()


def turn_series(run, key, study):
    staged = run.begin(key, machine={"device": "cpu"})
    paths = [f"{key}/{path.name}" for path in sorted((study / key).iterdir())]
    for path in paths:
        if path not in staged:
            staged[path] = stage(run, key, path, (study / path).read_bytes()[::-1])
    run.commit(key, {path: staged[path] for path in paths}, {"bias": 0.5})


def stage(run, key, path, content):
    digest = write_whole(run.staging(key, path), content, lasting=False)
    run.note_staged(key, path, digest)
    return digest


def tree(out):
    """Hash by path of all of an output but its record."""
    return {
        str(path.relative_to(out)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and "medclean-run" not in path.parts
    }


def read_manifest(out, name="manifest.json"):
    return json.loads((out / "medclean-run" / name).read_text())


def die_at(moment):
    """Kill this process at its moment-th call that changes the disk; a write is torn in half."""
    calls = iter(range(1, sys.maxsize))

    def deadly(name, call):
        def wrapped(*args, **options):
            if next(calls) == moment:
                if name == "write":
                    call(args[0], bytes(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **options)

        return wrapped

    for name in CALLS:
        setattr(os, name, deadly(name, getattr(os, name)))


def forked(function, *args, dies_at=0):
    """Exit status of a child that calls a function; -9 if it was killed."""
    child = os.fork()
    if not child:
        status = 70
        with suppress(MedcleanError):
            die_at(dies_at)
            function(*args)
            status = 0
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def only_start(out):
    with opened(out):
        pass


def die_everywhere(study, folder):
    """Kill a run at each call that changes the disk, and its rerun at another; tell what fails."""
    turn(study, folder / "whole")
    expected, inputs = tree(folder / "whole"), read_manifest(folder / "whole")["inputs"]
    moment, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        moment += 1
        out = folder / f"killed-{moment}"
        status = forked(turn, study, out, dies_at=moment)
        forked(only_start, out)
        counts = [len(list(out.glob(f"{folder.name}/*"))) for folder in study.glob("series-*")]
        forked(turn, study, out, dies_at=moment * 7 % 50 + 1)
        again = forked(turn, study, out)
        if {*counts} - {0, FILES}:
            print(f"killed at call {moment}: after the next start a series is in part there")
        if again or tree(out) != expected or read_manifest(out)["inputs"] != inputs:
            print(f"killed at call {moment}: status {again}, {sorted(tree(out))}")
        if left := [*out.glob("medclean-run/staging/*"), *out.glob("medclean-run/.*")]:
            print(f"killed at call {moment}: {left} are left")
    print(f"{moment - 1} kills")


if __name__ == "__main__":
    if sys.argv[1] == "die-everywhere":
        die_everywhere(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        part = Shard.parse(sys.argv[3], {}) if sys.argv[3:] else None
        print(turn(Path(sys.argv[1]), Path(sys.argv[2]), shard=part).line)
