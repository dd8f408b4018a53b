"""The story of ``medclean report``."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from secrets import token_hex

from medclean.archive.limits import Limits, limited
from medclean.archive.runs import RUN_FOLDER, label, read_key
from medclean.archive.workers import Workers
from medclean.device import share_processes
from medclean.errors import Exit, UsageError
from medclean.files import cannot_write, make_folder, write_whole
from medclean.jobs.report import ReportJob
from medclean.log import Log, size
from medclean.pipelines import _blinding
from medclean.pipelines._cohort import Cohort, Entry
from medclean.pipelines._origins import Origin, origins
from medclean.pipelines._pages import Sources, numbered, page_of
from medclean.pipelines._viewing import Room
from medclean.report.formats import rendered
from medclean.signals import Stop, stop_on_signals

KEPT = 0.15  # of the page, for all that is no picture


@dataclass(frozen=True)
class Written:
    """How it ended.

    Attributes:
        line: The last line.
        exit: PARTIAL where a record is not whole.
    """

    line: str
    exit: Exit


def report(job: ReportJob, log: Log) -> Written:
    """Read runs and scores, show what they say, and write it as one file.

    Raises:
        UsageError: What is given is no run, training or scores; or the page would replace a source.
        DataError: A source cannot be read.
        WriteError: The page cannot be written.
        Stopped: A signal said so.
    """
    _check(job)
    sources = Sources.read(job.sources, identifiable=job.identifiable)
    label_of = _labels(job, sources)
    blinding = _blinding.of(sources.names, job.seed) if job.blind else None
    if blinding:
        sources = sources.renamed(blinding.names)
    cohort = Cohort(sources.runs, label_of, identifiable=job.identifiable, blind=job.blind)
    entries = cohort.entries()
    lacking = _illustrated(cohort, entries, job, log) if job.format == "html" else []
    page = page_of(sources, cohort, entries, lacking)
    if blinding:  # a letter stands for another method in another page
        page = replace(page, reading=token_hex(8))
    content = rendered(page, job.format, most=int(job.max_mb * 1e6))
    with cannot_write(job.page):
        make_folder(job.page.parent)
    write_whole(job.page, content)
    if blinding:
        log.say(f"which method is which: {blinding.write(job.page)}")
    for gap in page.gaps:
        log.warn(gap)
    about = f"{len(entries)} series" if entries else f"{page.title}"
    return Written(
        f"{about}: {size(len(content))} in {job.page}",
        Exit.PARTIAL if sources.gaps else Exit.DONE,
    )


def _illustrated(cohort: Cohort, entries: Sequence[Entry], job: ReportJob, log: Log) -> list[str]:
    """Add pictures to as many series as there is room for."""
    done = [e for e in entries if any(one.status == "done" for one in e.case.results)]
    if not done:
        return []
    limits = Limits.of(job.limits)
    room = Room(job.max_mb * 1e6 * (1 - KEPT))
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        stack.enter_context(limited(limits))
        workers = stack.enter_context(
            Workers(
                share_processes(job.workers),
                seconds=limits.seconds,
                limit_bytes=limits.memory or None,
            )
        )
        found = _origins(cohort, done, job, workers, stop)
        bar = stack.enter_context(log.bar("series", len(done), "series"))
        return cohort.illustrate(
            done, found, room, workers=workers, bar=bar, reference=job.reference, check=stop.check
        )


def _origins(
    cohort: Cohort, done: Sequence[Entry], job: ReportJob, workers: Workers, stop: Stop
) -> dict[str, Origin]:
    """Where the images before lie, as any of the runs tells."""
    found: dict[str, Origin] = {}
    for run in cohort.runs:
        stop.check()
        keys = [e.key for e in done if e.key in run.found.series and e.key not in found]
        found |= origins(run.found, keys, job.study, workers)
    return found


def _labels(job: ReportJob, sources: Sources) -> Callable[[str], str]:
    """How series are called: by keyed hash, and by numbers where there is no key."""
    key = read_key(job.key) if job.key else None
    for run in sources.runs if key is None else ():
        secret = run.found.out / RUN_FOLDER / "secret"
        if secret.is_file():
            try:
                key = read_key(secret)
            except UsageError:  # it is another user's
                continue
            break
    if key is not None:
        known = key
        return lambda series: label(known, series)
    missing = [k for run in sources.runs for keys in run.found.missing.values() for k in keys]
    return numbered(list({*missing, *(k for run in sources.runs for k in run.found.series)}))


def _check(job: ReportJob) -> None:
    """See that the page replaces nothing that it is about, and that what is named is there."""
    for place in (*job.study, *filter(None, (job.reference,))):
        if not place.is_dir():
            raise UsageError(f"{place} does not exist; expected a folder")
    if job.page.is_dir():
        raise UsageError(f"--out {job.page} is a folder; expected the name of a file")
    if job.page.exists() and any(p.exists() and p.samefile(job.page) for p in job.sources):
        raise UsageError(f"--out {job.page} is what the page is about; give another -o")
