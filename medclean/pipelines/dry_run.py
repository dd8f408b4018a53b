"""The story of ``--dry-run``: all but the work, and not a byte written."""

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Literal, NamedTuple, TypeAlias

from medclean.archive import formats
from medclean.archive.runs import Peek
from medclean.archive.runs.state import Status
from medclean.archive.runs.tally import Outcome, tally
from medclean.archive.series import LeftOut, Series
from medclean.archive.workers import Workers
from medclean.errors import Exit
from medclean.files import cannot_write
from medclean.jobs._series import SeriesJob
from medclean.jobs._setting import assumed
from medclean.jobs.add_noise import AddNoiseJob
from medclean.jobs.denoise import DenoiseJob
from medclean.jobs.undersample import UndersampleJob
from medclean.log import Log
from medclean.pipelines import _copies, _estimate
from medclean.pipelines._copies import Copies
from medclean.pipelines._denoising import Denoising
from medclean.pipelines._estimate import Disk, standing
from medclean.pipelines._method import Command, Method
from medclean.pipelines._noising import AddingNoise
from medclean.pipelines._request import Request
from medclean.pipelines._stock import Stock
from medclean.pipelines._trial import Effort, effort
from medclean.pipelines._undersampling import Undersampling
from medclean.pipelines._work import Gap
from medclean.signals import stop_on_signals

Will: TypeAlias = Command | Literal["done", "skip", "fail"]
_STATUSES: Mapping[Will, Status] = {"done": "done", "skip": "skipped", "fail": "failed"}
_METHODS: Mapping[type, Callable[[Any], Method]] = {
    DenoiseJob: Denoising.of,
    AddNoiseJob: AddingNoise.of,
    UndersampleJob: Undersampling.of,
}


@dataclass(frozen=True)
class Row:
    """What would become of a series.

    Attributes:
        series: Its key in journal and manifest.
        label: Its name in reports; None before the first run, which makes the key for them.
        modality: ``""`` where nobody said.
        files: In it.
        slices: In them.
        shapes: Rows and columns that occur.
        will: What a run would do with it; the command's name if it is to be computed.
        reason: Why it would not be.
        weights: SHA-256 of the network's weights.
        exit: What it would mean for the exit status.
        flaws: Of its files that cannot be read, by path, as far as shows without decoding them.
    """

    series: str
    label: str | None
    modality: str
    files: int
    slices: int
    shapes: tuple[tuple[int, int], ...]
    will: Will
    reason: str | None
    weights: str | None
    exit: Exit
    flaws: Mapping[str, str]


class Input(NamedTuple):
    """What would become of a file, as in the manifest of a run; pending if it is to be computed."""

    path: str
    status: Status
    reason: str | None
    series: str | None = None


@dataclass(frozen=True)
class Outlook:
    """What a run would do, and what it would take.

    Attributes:
        command: Whose run.
        out: Name of the output folder.
        series: One row each.
        inputs: Every file once, by path.
        copies: How many would be copied as they are.
        disk: Room for the outputs.
        effort: Time and memory; None where no trial could tell, as of all but ``denoise``.
        exit: Exit status that the run would have, if no gate is crossed.
        gates: Whether there are limits that only the run can judge.
    """

    command: Command
    out: str
    series: tuple[Row, ...]
    inputs: tuple[Input, ...]
    copies: int
    disk: Disk
    effort: Effort | None
    exit: Exit
    gates: bool = False


def dry_run(job: SeriesJob, log: Log) -> Outlook:
    """Look at everything that a run would look at, and try one batch where a model denoises.

    Raises:
        MedcleanError: The run could not begin.
    """
    begun = perf_counter()
    asked: Request[Method] = Request.of(job, _METHODS[type(job)], log)
    method = asked.method
    with stop_on_signals() as stop, asked.bounded() as workers:
        peek = _peek(asked)
        if asked.disguise:
            peek.pin("key", asked.disguise.pseudonyms.name("key", ""))
        stock = Stock.of(asked.find(workers, log), method)
        stop.check()
        stock.warn(log)
        peek.divide(stock.dealt)
        mine = [series for series in stock.found.series if peek.owns(series.key)]
        rows = [_row(series, asked, stock, peek, workers, log) for series in mine]
        todo = [
            series for series, row in zip(mine, rows, strict=True) if row.will == method.command
        ]
        for modality, sha256 in method.weights(todo).items():
            peek.pin(f"weights for {modality}", sha256)
        wanted = _copies.gather(stock, asked.inputs) if job.copy_others else []
        others = [copies for copies in wanted if _to_copy(copies, asked, peek)]
        disk = _estimate.disk(asked, todo, others)
        if disk.warning:
            log.warn(disk.warning)
        left_out = [left for left in stock.found.left_out if peek.owns(left.path)]
        failed = [Outcome("failed", Exit.BAD_DATA) for left in left_out if left.status == "failed"]
        ends = tally(
            [*(Outcome(_STATUSES.get(row.will, "done"), row.exit) for row in rows), *failed],
            asked.out,
            shard=asked.shard,
            total=len(stock.dealt),
        )
        return Outlook(
            command=method.command,
            out=asked.out.name,
            series=tuple(rows),
            inputs=tuple(_inputs(left_out, mine, rows)),
            copies=sum(len(copies.files) for copies in others),
            disk=disk,
            effort=_effort(asked, todo, workers, begun=begun),
            exit=ends.exit,
            gates=isinstance(method, Denoising) and bool(method.gates and todo),
        )


def _effort(
    asked: Request[Any], todo: Sequence[Series], workers: Workers, *, begun: float
) -> Effort | None:
    """Of models alone: a batch of theirs can be tried."""
    if not (todo and isinstance(asked.method, Denoising)):
        return None
    return effort(asked, todo, workers, begun=begun)


def _peek(asked: Request[Method]) -> Peek:
    """What lies in the output folder.

    Raises:
        UsageError: The outputs of other settings.
        WriteError: It could not be written, or a running job holds it.
    """
    place = standing(asked.out)
    with cannot_write(asked.out):
        if not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
        return Peek(
            asked.out,
            command=asked.method.command,
            settings=asked.settings,
            defaults=assumed(type(asked.job)),
            shard=asked.shard,
            overwrite=asked.job.overwrite,
        )


def _to_copy(copies: Copies, asked: Request[Method], peek: Peek) -> bool:
    """Whether it is this run's to do, and not done."""
    mine = peek.owns(copies.series or copies.key)
    return mine and peek.done(copies.key, copies.fingerprint(asked.inputs.root)) is None


def _row(
    series: Series, asked: Request[Method], stock: Stock, peek: Peek, workers: Workers, log: Log
) -> Row:
    will: Will = asked.method.command
    reason, exit_ = None, Exit.DONE
    flaws: dict[int, str] = {}
    if refusal := stock.refusals.get(series.key):
        will, (reason, exit_) = "skip", refusal
    elif (before := peek.done(series.key, series.fingerprint)) is not None:
        will, exit_ = "done", before
    elif reason := peek.crossed(series.key, series.fingerprint):
        will, exit_ = "fail", Exit.GATE_CROSSED
    elif reason := asked.method.fault(series):
        will, exit_ = "fail", Exit.BAD_DATA
    elif flaws := _flaws(series, asked, workers):
        gaps = asked.job.allow_gaps and len(flaws) < len(series.instances)
        will, exit_ = (will, Exit.PARTIAL) if gaps else ("fail", Exit.BAD_DATA)
        reason = "; ".join(dict.fromkeys(f"a file: {why}" for why in flaws.values()))
    named = {series.instances[place].name: why for place, why in flaws.items()}
    if will == asked.method.command:
        named = {gap.path: gap.why for gap in (Gap.of(series, *flaw) for flaw in flaws.items())}
    for path, why in named.items():
        log.warn(f"{path} {why}")
    return Row(
        series=series.key,
        label=peek.label(series.key),
        modality=series.modality,
        files=len(series.instances),
        slices=sum(len(group.frames) for group in series.groups),
        shapes=tuple(sorted({group.shape for group in series.groups})),
        will=will,
        reason=reason,
        weights=asked.method.weights([series]).get(series.modality) if not reason else None,
        exit=exit_,
        flaws=named,
    )


def _flaws(series: Series, asked: Request[Method], workers: Workers) -> dict[int, str]:
    """Which of a series' files cannot be read, and why, as far as shows without decoding."""
    hidden = asked.disguise and asked.disguise.of_images(series)
    root = asked.inputs.root
    look = partial(
        formats.flaw,
        root,
        changed=not asked.method.keeps,
        decoded=False,
        deidentification=hidden,
    )
    tasks = [workers.submit(look, series.alone(place), 0) for place in range(len(series.instances))]
    return {place: why for place, task in enumerate(tasks) if (why := formats.told(task))}


def _inputs(
    left_out: Sequence[LeftOut], series: Sequence[Series], rows: Sequence[Row]
) -> list[Input]:
    loose = [Input(left.path, left.status, left.reason) for left in left_out]
    others = [
        Input(instance.name, *_outcome(instance.name, row), row.series)
        for one, row in zip(series, rows, strict=True)
        for instance in one.instances
    ]
    return sorted([*loose, *others])


def _outcome(path: str, row: Row) -> tuple[Status, str | None]:
    """What would become of a file of a series."""
    if path in row.flaws:
        return "failed", row.flaws[path]
    if row.will not in _STATUSES:
        return "pending", None
    return _STATUSES[row.will], row.reason
