"""The story of ``medclean prepare``."""

import platform
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields, replace
from importlib.metadata import PackageNotFoundError, version
from time import monotonic
from typing import Any

from medclean import __version__, device
from medclean.archive.about import by_path
from medclean.archive.cases import Cases
from medclean.archive.dataset import DESCRIPTION, description
from medclean.archive.limits import Limits, limited
from medclean.archive.nifti import dcm2niix
from medclean.archive.pairs import noisy_ones, paired
from medclean.archive.pseudonyms import Pseudonyms
from medclean.archive.runs import Tally, key_outside, open_run, refuse_overlap
from medclean.archive.selection import Selection
from medclean.archive.series import Scan, Series
from medclean.archive.splits import shares_of
from medclean.archive.workers import Workers
from medclean.errors import Exit, UsageError
from medclean.jobs._setting import assumed, values
from medclean.jobs.prepare import PrepareJob
from medclean.log import Log
from medclean.pipelines import _own_page
from medclean.pipelines._case import How
from medclean.pipelines._disguise import Disguise
from medclean.pipelines._hiding import write_tree
from medclean.pipelines._inputs import Inputs, find
from medclean.pipelines._intake import Work, asked, convert
from medclean.pipelines._overview import Row, draw, reasons, rows, write_table
from medclean.signals import stop_on_signals

LONGEST = 3600  # seconds that a stack may take
UNKNOWN = "there is nothing to learn from it"  # from what does not say what its images are
NOTHING = (
    "no image was found to learn from: expected MR, CT or PET images, DICOM or NIfTI, that are not "
    "deselected; --include lets other kinds in"
)
LICENCE = ("Name", "License", "SourceDatasets")  # of the archive's description, that is kept


@dataclass(frozen=True)
class Summary(Tally):
    """How the run ended, and what the data set holds.

    Attributes:
        cases: Entries of ``cases.json``.
        rows: What there is of each modality.
        left_out: How many files of the archive are not in it, and why.
    """

    cases: tuple[dict[str, Any], ...] = ()
    rows: tuple[Row, ...] = ()
    left_out: tuple[tuple[int, str], ...] = ()


def prepare(job: PrepareJob, log: Log) -> Summary:
    """Make a data set of an archive, or add to one what is new.

    Args:
        job: What is asked.
        log: Told what is found, and how far the run is.

    Raises:
        MedcleanError: The run could not begin, or go on; a series that fails stops no other.
    """
    began = monotonic()
    noisy, limits = noisy_ones(job.pair_by), Limits.of(job.limits)
    selection = Selection.of(job.select, job.exclude)
    by_path(job.patient)
    inputs = Inputs.of([job.archive])
    refuse_overlap(job.out, inputs.starts, inputs.root)
    disguise = _disguise(job, inputs)
    before = Cases.read(job.out)
    if job.overwrite:
        before = before.begun_anew()
    shared = {f.name: getattr(job, f.name) for f in fields(How) if f.name != "seconds"}
    with ExitStack() as held:
        stop = held.enter_context(stop_on_signals())
        held.enter_context(limited(limits))
        count = device.share_processes(job.workers)
        memory = limits.memory or None
        workers = held.enter_context(Workers(count, seconds=LONGEST, limit_bytes=memory))
        run = held.enter_context(
            open_run(
                job.out,
                command="prepare",
                settings={kind: values(job, kind) for kind in ("result", "form")},
                defaults=assumed(PrepareJob),
                facts=_facts(job, selection),
                overwrite=job.overwrite,
                key=job.key,
            )
        )
        run.pin("key", run.label("key"))
        found = find(
            inputs,
            workers,
            log,
            include=job.include,
            modality=job.modality,
            selection=selection,
        ).without_bare(UNKNOWN)
        how = How(**shared, seconds=limits.seconds)
        work = Work(job, inputs, how, run, workers, stop, log)
        todo = _put_on_record(found, work)
        if not found.series:
            log.warn(NOTHING)
        if job.converter == "dcm2niix" and any(series.format == "dicom" for series in todo):
            dcm2niix.program()
        convert(asked(todo, noisy, work), work)
        ended = run.finish()
        known = _known(before, work)
        if job.pair_by:
            _tell_of_pairs(known, log)
        known.write(job.out)
        write_table(job.out, run.series, known.cases)
        draw(job.out, known.cases)
        if job.report:
            _own_page.write(run, {}, workers, log, began=began)
        if disguise and job.deidentify:
            hidden = write_tree(
                found,
                inputs.root,
                job.deidentify,
                disguise,
                workers=workers,
                stop=stop,
                log=log,
                overwrite=job.overwrite,
                facts={"versions": {"medclean": __version__}},
            )
            ended = _both(ended, hidden)
    return Summary(
        **vars(ended),
        cases=known.cases,
        rows=rows(run.series, known.cases, known.patients),
        left_out=reasons(found, run.series),
    )


def _disguise(job: PrepareJob, inputs: Inputs) -> Disguise | None:
    """How the DICOM images are de-identified, if that is asked for.

    Raises:
        UsageError: The folder for them, or the key, lies where it must not.
    """
    if not (job.deidentify and job.key):
        return None
    refuse_overlap(job.deidentify, inputs.starts, inputs.root)
    one, other = job.out.resolve(), job.deidentify.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise UsageError(
            f"--deidentify {job.deidentify} and the data set {job.out} lie in one another; what is "
            "handed out needs a folder of its own"
        )
    key = key_outside(job.deidentify, job.key)
    return Disguise(Pseudonyms(key), job.keep_dates, job.allow_burned_in)


def _both(ended: Tally, hidden: Tally) -> Tally:
    """The end of both runs as one; that nothing could be de-identified is said, and no failure."""
    status = Exit.of([ended.exit, *([hidden.exit] * (hidden.exit != Exit.NOTHING_TO_DO))])
    return replace(ended, exit=status, line=f"{ended.line}; de-identified: {hidden.line}")


def _put_on_record(found: Scan, work: Work) -> list[Series]:
    """Put all that was found on record; returns the series that are not done yet."""
    run, log = work.run, work.log
    for warning in run.warnings:
        log.warn(warning)
    for left in found.left_out:
        run.input(left.path, left.status, left.reason)
        if left.status == "failed":
            log.warn(f"{left.path} failed: it {left.reason}")
    run.divide([series.key for series in found.series])
    todo = []
    for series in found.series:
        paths = [instance.path for instance in series.instances]
        run.expect(series.key, paths, sources=series.fingerprint, modality=series.modality)
        if series.bare:
            run.skip(series.key, f"{series.bare}: {UNKNOWN}")
        elif not run.done(series.key):
            todo.append(series)
    return todo


def _known(before: Cases, work: Work) -> Cases:
    """What the data set holds now; patients keep what they were given before."""
    job, done = work.job, [line for line in work.run.series if line["status"] == "done"]
    made = [entry for line in done for entry in line["cases"]]
    stated = description(work.inputs.root / DESCRIPTION)
    known = before.with_cases(made, (line["label"] for line in done))
    known = replace(
        known,
        shares=shares_of(job.validation, job.test),
        folds=job.folds,
        normaliser={"CT": f"ct:window={job.window}"} if job.window != "full" else {},
        description=before.description or {k: stated[k] for k in LICENCE if k in stated},
        cases=tuple(paired(known.cases)),
    )
    return known.with_homes(unpaired=job.unpaired)


def _tell_of_pairs(known: Cases, log: Log) -> None:
    """Say how many noisy images there are that nothing is paired with; also if there is none."""
    noisy = [entry for entry in known.cases if entry["noisy"]]
    alone = sum(entry["pair"] is None for entry in noisy)
    if not noisy:
        log.warn("--pair-by: it holds for no image, so that none is the noisy one of a pair")
    elif alone:
        log.warn(
            f"--pair-by: {alone} of {len(noisy)} noisy images have no clean one of the same "
            "patient, study and grid, or several"
        )


def _facts(job: PrepareJob, selection: Selection) -> dict[str, Any]:
    versions = {"medclean": __version__, "python": platform.python_version()}
    for package in ("dcm2niix", "SimpleITK"):
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    told = {"select": selection.select, "exclude": selection.exclude}
    said = {
        k: v for k, v in values(job).items() if k not in ("archive", "out", "key", "deidentify")
    }
    return {
        "job": said | {name: [str(e) for e in those] for name, those in told.items()},
        "versions": versions,
        "device": "cpu",
    }
