"""Graphs over all series of some runs."""

from collections.abc import Sequence

from medclean.pipelines._cohort import Entry
from medclean.quality.limits import rows
from medclean.report import graphs
from medclean.report.graphs import Point
from medclean.report.page import Graph, Section


def sections(entries: Sequence[Entry], methods: Sequence[str]) -> list[Section]:
    """How figures and means of all series lie.

    Args:
        entries: Series that are shown.
        methods: Names in their order.
    """
    found = []
    if safety := tuple(_safety(entries, methods)):
        says = "A dot is a series, a row a method; where it lies is what the table says."
        found.append(Section("Safety figures of all series", safety, says=says))
    if agreement := tuple(_agreement(entries)):
        says = (
            "Mean of the body in each slice shown: a denoiser should not move it, whatever "
            "its size. Rician noise lifts the mean of dark places, rightly undone."
        )
        found.append(Section("Does the mean stay?", agreement, says=says))
    return found


def _safety(entries: Sequence[Entry], methods: Sequence[str]) -> list[Graph]:
    drawn = []
    for modalities, kind in ((("CT",), "CT"), (("MR", "PT", ""), "MR")):
        for limit in rows(kind):
            points: dict[str, list[Point]] = {name: [] for name in methods}
            for entry in entries:
                for one in entry.case.results if entry.case.modality in modalities else ():
                    for light in one.lights:
                        if light.figure == limit.figure and light.number is not None:
                            name = f"{entry.case.modality} {entry.case.name}: {light.value}"
                            points[one.method].append(Point(light.number, name))
            if sum(map(len, points.values())) > 1:
                graph = graphs.lights(limit, {n: p for n, p in points.items() if p})
                where = " and ".join({e.case.modality for e in entries} & {*modalities}) or kind
                drawn.append(graph._replace(title=f"{graph.title}, {where}"))
    return drawn


def _agreement(entries: Sequence[Entry]) -> list[Graph]:
    pairs: dict[str, dict[str, list[tuple[float, float, str]]]] = {}
    for entry in entries:
        unit, factor = (
            ("HU", 1.0) if entry.unit == "HU" else ("% of scale", 100 / (entry.scale or 1))
        )
        for mean in entry.means:
            for run, after in zip(entry.runs, mean.after, strict=True):
                if after == after:
                    own = pairs.setdefault(unit, {}).setdefault(run.name, [])
                    says = f"{entry.case.modality} {entry.case.name}, slice {mean.place}"
                    own.append((factor * mean.before, factor * after, says))
    found = (
        graphs.agreement(p, unit=unit, of="mean of the body", minus="after \N{MINUS SIGN} before")
        for unit, p in pairs.items()
    )
    return [graph for graph in found if graph]
