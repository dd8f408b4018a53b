"""Hold the derived files below OUT against their sources: ``python tests/check_derived.py``.

Usage: ``python tests/check_derived.py SOURCE OUT [--dciodvfy]``. Prints how often each rule is
broken, and ends with status 1 if one is.
"""

import argparse
import sys
import warnings
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pydicom

from peers import complaints, with_class
from rules.standard import available
from rules.trees import Derived, Sources, derived_in, files, report


def main() -> int:
    """Print the counts; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="folder of the sources")
    parser.add_argument("out", type=Path, help="folder that medclean wrote")
    parser.add_argument("--dciodvfy", action="store_true", help="ask dciodvfy as well")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # pydicom's, about odd values of sources
    sources = Sources(files(asked.source))
    found = report(asked.out, sources)
    rules: Counter[str] = Counter()
    for path, broken in found.items():
        for rule, what in broken or ():
            rules[f"{rule}: {what}"] += 1
            print(f"{path.relative_to(asked.out)}: {rule}: {what}")
    unknown = sum(broken is None for broken in found.values())
    bad = sum(bool(broken) for broken in found.values())
    tables = "" if available() else ", without the standard's tables (highdicom is not installed)"
    print(f"{len(found)} derived files: {bad} break a rule, {unknown} lack their source{tables}")
    for what, count in rules.most_common():
        print(f"{count:6} {what}")
    if asked.dciodvfy:
        _ask_dciodvfy(asked.out, sources)
    return int(bool(bad))


def _ask_dciodvfy(out: Path, sources: Sources) -> None:
    """What dciodvfy says of derived files beyond what it says of their sources."""
    new: Counter[str] = Counter()
    asked = differ = 0
    with TemporaryDirectory() as folder:
        for path in derived_in(out):
            best = next(iter(sources.of(Derived.read(path))), None)
            syntax = pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID
            if best is None or syntax.is_deflated:  # which it cannot read
                continue
            lines = complaints(path) - complaints(with_class(best, Path(folder, "mended.dcm")))
            asked, differ = asked + 1, differ + bool(lines)
            new.update(lines)
    print(f"dciodvfy: {asked} pairs, {differ} with messages that the source has not")
    for what, count in new.most_common():
        print(f"{count:6} {what}")


if __name__ == "__main__":
    sys.exit(main())
