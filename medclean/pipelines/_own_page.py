"""The page that a run writes of itself: cheap, and never a reason to fail."""

from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic

from medclean.archive.runs import RUN_FOLDER, Shard
from medclean.archive.runs.finished import Finished
from medclean.archive.runs.run import Run
from medclean.archive.workers import Workers
from medclean.errors import MedcleanError
from medclean.files import write_whole
from medclean.log import Bar, Log
from medclean.pipelines._origins import Origin

NAME = "report.html"
MOST = 5_000_000  # bytes
SLICES = 5  # of a series
SHARE, SECONDS = 0.05, 3.0  # of the run's time that pictures may take; at least so many seconds
_COST = "(time)"  # stands for what is known only once all is drawn; as long as what replaces it


def write(
    run: Run, sources: Mapping[str, Origin], workers: Workers, log: Log, *, began: float
) -> None:
    """Write ``OUT/medclean-run/report.html``, or that of the shard; a failure is a line.

    Args:
        run: Finished.
        sources: By key, as they were scanned.
        workers: They read.
        log: Told of a failure.
        began: When the run did, by ``monotonic``.
    """
    path = place_of(run.out, run.shard)

    def draw() -> bytes:
        from medclean.pipelines._cohort import Cohort, Told
        from medclean.pipelines._pages import Sources, kind_of, page_of
        from medclean.pipelines._viewing import Room
        from medclean.report.formats import rendered
        from medclean.report.pictures import GRADES

        now = monotonic()
        found = Finished.read(run.out, run.shard)
        told = Told(kind_of(found), found)
        cohort = Cohort((told,), run.label)
        entries = cohort.entries()
        room = Room(0.8 * MOST, slices=SLICES, grades=GRADES[2:], volumes=False)
        until = now + max(SECONDS, SHARE * (now - began))
        bar = Bar("series", None, "series", lambda bar: None)
        lacking = cohort.illustrate(entries, sources, room, workers=workers, bar=bar, until=until)
        says = (f"drawn in {_COST}",)
        about = Sources((told,), gaps=tuple(told.found.gaps))
        page = page_of(about, cohort, entries, lacking, says=says)
        content = rendered(page, "html", most=MOST)
        spent, whole = monotonic() - now, monotonic() - began
        cost = f"{spent:.1f} s, {spent / whole:.0%} of the run"
        return content.replace(_COST.encode(), cost.encode(), 1)

    attempt(path, draw, log)


def write_training(out: Path, log: Log) -> None:
    """Write ``OUT/report.html`` of a training; a failure is a line."""

    def draw() -> bytes:
        from medclean.pipelines._cohort import Cohort
        from medclean.pipelines._pages import Sources, page_of
        from medclean.report.formats import rendered

        sources = Sources.read([out], identifiable=False)
        return rendered(page_of(sources, Cohort((), str), [], []), "html", most=MOST)

    attempt(out / NAME, draw, log)


def attempt(path: Path, draw: Callable[[], bytes], log: Log) -> None:
    """Write a page; what hinders that is one line, for what the page tells of is done."""
    try:
        write_whole(path, draw(), lasting=False)
    except MedcleanError as error:
        log.warn(f"no {path.name} is written: {error}")
    except Exception as error:  # a page is worth no failed run; its message may hold a tag's value
        log.warn(f"no {path.name} is written: a bug, {type(error).__name__}")


def place_of(out: Path, shard: Shard | None) -> Path:
    """Where the page of a run lies: shards have one each."""
    return out / RUN_FOLDER / (f"report-{shard}.html" if shard else NAME)
