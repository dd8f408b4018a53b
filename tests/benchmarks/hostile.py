"""What becomes of each hostile file, alone beside a good series: outcome, peak memory, seconds.

``--model identity --include all`` runs once a file; start-up is in both figures, as the first row,
of the good series alone, shows::

    PYTHONPATH=tests python tests/benchmarks/hostile.py
"""

import json
import tempfile
from pathlib import Path

import dicoms
import hostile_files as files
import watched

SECONDS = 300.0  # after which a run counts as hung


def main() -> None:
    """Print the table, a line a file."""
    print("| file | bytes | outcome | good series | peak MiB | seconds |")
    print("| --- | ---: | --- | --- | ---: | ---: |")
    _row("none", None)
    for name, hostile in files.study().items():
        _row(name, hostile)


def _row(name: str, hostile: files.Hostile | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        study, out = Path(folder, "study"), Path(folder, "out")
        good = [str(path.relative_to(study)) for path in dicoms.series(study / "good", 3)]
        if hostile:
            hostile.make(study / name)
        size = (study / name).lstat().st_size if hostile else 0
        words = ("denoise", study, "-o", out, "--model", "identity", "--include", "all")
        end = watched.medclean(*words, cwd=Path(folder), seconds=SECONDS)
        manifest = json.loads((out / "medclean-run" / "manifest.json").read_text())
        inputs = {entry["path"]: entry for entry in manifest["inputs"]}
        found = inputs.get(name, {"status": "", "reason": ""})
        outcome = ": ".join(filter(None, (found["status"], found["reason"])))
        beside = {inputs[path]["status"] for path in good}
        cells = (
            ascii(name)[1:-1][:28],
            size,
            outcome,
            "/".join(beside),
            f"{end.peak / 2**20:.0f}",
            f"{end.seconds:.1f}",
        )
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
