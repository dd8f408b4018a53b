"""Hold the derived files below OUT against their sources: ``python tests/check_derived.py``.

Usage: ``python tests/check_derived.py SOURCE OUT [--dciodvfy]``. Prints how often each rule is
broken, and ends with status 1 if one is, or if dciodvfy has something to say of a derived file that
it does not say of its source and that ``peers.FORGIVEN`` does not name.
"""

import argparse
import sys
import warnings
from collections import Counter
from pathlib import Path

from peers import news
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
    news = _ask_dciodvfy(asked.out, sources) if asked.dciodvfy else 0
    return int(bool(bad or news))


def _ask_dciodvfy(out: Path, sources: Sources) -> int:
    """Print what dciodvfy says that is new; returns of how many derived files."""
    new: Counter[str] = Counter()
    asked = differ = 0
    for path in derived_in(out):
        derived = Derived.read(path)
        best = next(iter(sources.of(derived)), None)
        if best is None:
            continue
        lines = news(best, path, residual=derived.residual)
        asked, differ = asked + 1, differ + bool(lines)
        for line in sorted(lines):
            print(f"{path.relative_to(out)}: dciodvfy: {line}")
        new.update(lines)
    print(f"dciodvfy: {asked} pairs, {differ} with messages that the source has not")
    for what, count in new.most_common():
        print(f"{count:6} {what}")
    return differ


if __name__ == "__main__":
    sys.exit(main())
