"""What the record of a run says, in words for a page, without what could identify."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from math import inf, isfinite
from typing import Any

from medclean.archive.runs.finished import Finished
from medclean.archive.runs.state import SeriesState
from medclean.pipelines._sight import Place, Spot
from medclean.quality.limits import TABLE, rows
from medclean.report.page import Fact, Light, Method, Result, Verdict
from medclean.report.svg import number

Where = Callable[[Spot], Place]

HIDDEN = "not shown"
_PATTERNS = ("select", "exclude", "patient")  # which may quote tags
_HEX = re.compile(r"[0-9a-f]{40,}")
_FIGURES = tuple(dict.fromkeys(limit.figure for limit in TABLE))
_RANK: Mapping[Verdict, int] = {"red": 2, "amber": 1, "green": 0, "": 0}
_DIGITS = {"bias": ".2f", "structure": ".2f", "edges": ".2f", "noise": ".2f", "spot": ".1f"}


def method(found: Finished, name: str, *, identifiable: bool) -> Method:
    """What was asked, with what, and what became of it."""
    said, settings = found.facts, found.settings
    counts = Counter(found.status(key) for key in found.series)
    told = [f"{counts[status]} {status}" for status in ("done", "skipped", "failed", "pending")]
    asked = _dict(said.get("job")) | {
        k: v for kind in settings.values() for k, v in _dict(kind).items()
    }
    device = {"device": said["device"]} if said.get("device") else {}
    machines = {_plain(_machine(s)) for s in found.series.values() if isinstance(s.machine, dict)}
    of = f" {said['model']}" if said.get("model") else ""
    return Method(
        name,
        f"medclean {found.command or '(command not known)'}{of}",
        f"{sum(counts.values())} series: {', '.join(told)}",
        {
            "Settings": tuple(facts(asked, identifiable=identifiable)),
            "Versions": tuple(facts(_dict(said.get("versions")) | device)),
            "Weights": tuple(facts(found.state.pinned, identifiable=identifiable)),
            "Machine": tuple(Fact("class", machine) for machine in sorted(machines)),
            "Run": tuple(_run(found)),
        },
    )


def result(
    found: Finished,
    key: str,
    name: str,
    *,
    identifiable: bool,
    blind: bool,
    where: Where | None = None,
) -> Result:
    """What a method made of a series; of a blind one nothing that could tell which it is.

    Args:
        found: The record.
        key: Of the series.
        name: Of the method.
        identifiable: Paths may be told.
        blind: Nothing else may.
        where: Says where figures point to; by file if not given.
    """
    series, status = found.series[key], found.status(key)
    reason = series.reason or "" if status in ("skipped", "failed") else ""
    if blind:
        return Result(name, status)
    said = reason if identifiable else without_paths(reason, series.inputs)
    safety = series.record.get("safety") if status in ("done", "failed") else None
    lights = tuple(_lights(safety, where or _file_in(series))) if isinstance(safety, dict) else ()
    return Result(
        name,
        status,
        said,
        max((light.verdict for light in lights), key=lambda v: _RANK[v], default=""),
        lights,
        tuple(_notes(series, identifiable=identifiable)) if status == "done" else (),
    )


def spots(found: Finished, key: str, *, all_: bool) -> Iterator[Spot]:
    """Where figures say to look first, the worst of them before the others."""
    safety = found.series[key].record.get("safety")
    figures = safety.items() if isinstance(safety, dict) and all_ else ()
    known = [(n, figure) for n, figure in figures if n in _FIGURES and _is_figure(figure)]
    known.sort(key=lambda item: -_RANK[item[1]["verdict"]])
    for name, figure in known:
        if spot := _spot(name, figure):
            yield spot


def left_out(found: Finished, *, identifiable: bool) -> Counter[str]:
    """Files that belong to no series, and were skipped or failed, by reason."""
    told: Counter[str] = Counter()
    for path, line in found.state.inputs.items():
        if line.get("series") is None and line.get("status") in ("skipped", "failed"):
            reason = str(line.get("reason") or "no reason is told")
            told[reason if identifiable else without_paths(reason, [path])] += 1
    return told


def without_paths(text: str, paths: list[str]) -> str:
    """A reason in which files have numbers in the place of their paths."""
    for place, path in sorted(enumerate(paths, 1), key=lambda item: -len(item[1])):
        text = text.replace(path, f"file {place}")
    return text


def rank(one: Result) -> tuple[float, ...]:
    """The worse, the greater: failed, then by red, by amber, by how far from the limits."""
    verdicts = Counter(light.verdict for light in one.lights)
    return (one.status == "failed", verdicts["red"], verdicts["amber"], _beyond(one))


def _beyond(one: Result) -> float:
    """The greatest figure in units of its limit."""
    greatest = 0.0
    limits = {(limit.figure, limit.unit): limit for m in ("CT", "MR") for limit in rows(m)}
    for light in one.lights:
        limit = limits.get((light.figure, "HU" if light.value.endswith("HU") else ""))
        limit = limit or limits.get((light.figure, "%"))
        if light.number is None:
            greatest = inf
        elif limit:
            greatest = max(greatest, light.number / limit.green.most)
    return greatest


def _lights(safety: Mapping[str, Any], where: Where) -> Iterator[Light]:
    for name in _FIGURES:
        if (found := safety.get(name)) is None:
            continue
        if not _is_figure(found):
            yield Light(name, "not known", None, "amber", "what the record says makes no sense")
            continue
        value, spot = found.get("value"), _spot(name, found)
        number = None if value is None or not isfinite(value) else value
        text = "not measured" if number is None else f"{number:{_DIGITS.get(name, '.3g')}}"
        shown = text if number is None else f"{text} {found['unit']}".strip()
        place = where(spot) if spot else Place()
        yield Light(name, shown, number, found["verdict"], found["says"], *place)


def _is_figure(found: Any) -> bool:
    """Whether a record holds a figure as ``quality.limits.judged`` makes it."""
    match found:
        case {"verdict": "green" | "amber" | "red", "unit": str(), "says": str()}:
            value = found.get("value")
            return value is None or (isinstance(value, float | int) and value is not True)
    return False


def _spot(name: str, figure: Mapping[str, Any]) -> Spot | None:
    """Where a figure points to."""
    says = f"{figure['verdict']}: {name}"
    match figure.get("at"):
        case {"path": str(path), "frame": int(frame), "row": int(row), "column": int(column)}:
            return Spot(path, frame, row, column, says)
        case {"path": str(path), "frame": int(frame)}:
            return Spot(path, frame, None, None, says)
    return None


def _file_in(series: SeriesState) -> Where:
    """By its place in the record, for who does not know how the files lie."""

    def say(spot: Spot) -> Place:
        if spot.path not in series.inputs:
            return Place()
        said = f"file {series.inputs.index(spot.path) + 1} of {len(series.inputs)}"
        said += f", frame {spot.frame + 1}" if spot.frame else ""
        if spot.row is not None and spot.column is not None:
            said += f", row {spot.row + 1}, column {spot.column + 1}"
        return Place(said)

    return say


def _notes(series: SeriesState, *, identifiable: bool) -> Iterator[str]:
    record = series.record
    for note in record.get("notes") or ():
        yield note if identifiable else without_paths(str(note), series.inputs)
    if clamped := record.get("clamped"):
        yield f"{clamped} pixels lay outside of what can be stored, and were cut to it"
    if moved := record.get("padding_moved"):
        yield f"{moved} pixels would have taken the value that means no pixel, and were moved"
    for what in ("noise", "kspace"):
        if isinstance(told := record.get(what), dict):
            yield f"{what}: {_plain({k: v for k, v in told.items() if not isinstance(v, list)})}"
    if isinstance(groups := record.get("interpolated"), list):
        found = " and ".join(sorted({"{} x {}".format(*by) for by in groups if by != [1, 1]}))
        yield f"was interpolated, {found} pixels a sample, and denoised at its samples"
    if record.get("tiles_differ") is not None:
        yield f"tiles differ from whole slices by {number(float(record['tiles_differ']))}"


def _machine(series: SeriesState) -> dict[str, Any]:
    """The class of machine; what was left out of a series is none of it."""
    return {name: value for name, value in series.machine.items() if name != "left out"}


def _run(found: Finished) -> Iterator[Fact]:
    if found.run.get("shard"):
        yield Fact("journals", str(found.journals))
    if found.run.get("at"):
        yield Fact("last start", str(found.run["at"]))
        yield Fact("starts", str(found.run.get("start", "")))
    if found.seconds:
        yield Fact("time", duration(found.seconds))
    if work := found.run.get("work"):
        yield Fact("hash of settings", str(work)[:12])


def duration(seconds: float) -> str:
    """For people."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def facts(values: Mapping[str, Any], *, identifiable: bool = True) -> Iterator[Fact]:
    """A table of settings; of paths the last part alone, of expressions only how many there are."""
    for name, value in sorted(values.items()):
        if value is None or value is False or value in ([], {}, ""):
            continue
        text = _plain(value)
        if not identifiable and name in _PATTERNS:
            text = HIDDEN
        elif not identifiable and "/" in text:
            text = re.sub(r"[^\s,=\[]*/", "\N{HORIZONTAL ELLIPSIS}/", text)
        yield Fact(name.replace("_", " "), _HEX.sub(lambda hit: hit[0][:12], text))


def _plain(value: Any) -> str:
    """A value in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items() if v is not None)
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _dict(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}
