"""The images of an archive without what identifies, as a tree of their own."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from medclean.archive.dicom.hide import hide
from medclean.archive.runs import Run, Tally, open_run
from medclean.archive.series import Scan, Series
from medclean.archive.workers import Workers
from medclean.errors import Exit, MedcleanError, Stopped, WriteError
from medclean.log import Log
from medclean.pipelines._disguise import Disguise
from medclean.signals import Stop


def write_tree(
    found: Scan,
    root: Path,
    out: Path,
    disguise: Disguise,
    *,
    workers: Workers,
    stop: Stop,
    log: Log,
    overwrite: bool,
    facts: Mapping[str, Any],
) -> Tally:
    """De-identify every series of a scan into a folder that can be handed out.

    Args:
        found: The scan.
        root: What its paths are relative to.
        out: The folder, with a record of its own.
        disguise: What stands for what could identify.
        workers: They read and write.
        stop: Whether a signal came.
        log: Told what fails.
        overwrite: Redo what is there.
        facts: For the manifest.

    Raises:
        MedcleanError: The run could not begin, or go on; a series that fails stops no other.
    """
    hidden = disguise.scan(found)
    form = {"keep_dates": disguise.keep_dates, "allow_burned_in": disguise.allow_burned_in}
    files = sum(len(series.instances) for series in hidden.series)
    key = disguise.pseudonyms
    with (
        open_run(
            out,
            command="prepare --deidentify",
            settings={"result": {}, "form": form},
            facts=facts,
            overwrite=overwrite,
        ) as run,
        log.bar("de-identified", files, "file") as bar,
    ):
        run.pin("key", key.name("key", ""))
        for left in hidden.left_out:
            run.input(left.path, left.status, left.reason)
        run.divide([series.key for series in hidden.series])
        for series in hidden.series:
            stop.check()
            run.expect(
                series.key,
                [file.name for file in series.instances],
                sources=series.fingerprint,
                modality=series.modality,
            )
            try:
                if not run.done(series.key):
                    _series(series, root, run, disguise, workers, stop)
            except (Stopped, WriteError):
                raise
            except MedcleanError as error:
                run.fail(series.key, str(error), status=Exit.BAD_DATA)
                log.warn(f"{series.modality or 'series'} {series.key} not de-identified: {error}")
            bar.advance(len(series.instances))
        return run.finish()


def _series(
    series: Series, root: Path, run: Run, disguise: Disguise, workers: Workers, stop: Stop
) -> None:
    """De-identify the files of a series and commit them; one that occurs twice is done once."""
    staged, how = run.begin(series.key), disguise.of_images(series)
    places = [place for place, file in enumerate(series.instances) if not file.occurrence]
    todo = (
        (series.alone(place), run.staging(series.key, series.instances[place].target))
        for place in places
        if series.instances[place].target not in staged
    )
    for (alone, _), task in workers.map(partial(_hide, root, how), todo):
        stop.check()
        target, written = alone.instances[0].target, task.result()
        run.note_staged(series.key, target, written.sha256)
        staged[target] = written.sha256
    inputs = {
        file.name: {"output": file.target, "sha256": staged[file.target]}
        if file.target in staged
        else {"status": "skipped", "reason": "has the SOP Instance UID of a file before it"}
        for file in series.instances
    }
    notes = {"notes": [*series.notes]}
    run.commit(series.key, staged, notes, inputs=inputs)


def _hide(root: Path, how: Any, task: tuple[Series, Path]) -> Any:
    series, to = task
    return hide(root, series, 0, how, to)
