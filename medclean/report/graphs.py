"""The graphs of a page: what the numbers of series and methods look like."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean, stdev
from typing import NamedTuple

import numpy as np

from medclean.quality.limits import Limit
from medclean.quality.metrics._spectrum import Spectrum, flat_power, flat_squares, spectrum
from medclean.report.page import Graph
from medclean.report.svg import Chart, legend, number, span
from medclean.volume import Image

BINS = 96
MOST_POINTS = 400  # of a line


class Point(NamedTuple):
    """A value of a method, and of what."""

    value: float
    says: str


def profile(
    images: Mapping[str, Image], row: int, *, unit: str, spacing: float, place: int
) -> Graph:
    """Values along one row of a slice, of all that there is of it."""
    columns = next(iter(images.values())).shape[1]
    every = -(-columns // MOST_POINTS)
    lines = {name: [float(v) for v in image[row, ::every]] for name, image in images.items()}
    xs = [every * spacing * point for point in range(len(next(iter(lines.values()))))]
    chart = Chart(
        (0, xs[-1] or 1),
        span([v for line in lines.values() for v in line]),
        f"Line profile through row {row + 1}: {', '.join(lines)}",
        x_label="mm from the left",
        y_label=unit,
    )
    for nth, line in enumerate(lines.values()):
        chart.line(xs, line, f"s{nth}")
    says = f"Row {row + 1} of slice {place}, marked above while that is shown."
    return Graph("Line profile", chart.svg() + legend([*lines]), says)


def histogram(
    images: Mapping[str, Image], *, unit: str, window: tuple[float, float], place: int
) -> Graph:
    """How often each value occurs in a slice."""
    whole = np.stack([*images.values()])
    low, high = (float(np.percentile(whole, share)) for share in (0.1, 99.9))
    low, high = min(low, window[0]), max(high, window[1], low + 1e-6)
    counts = {}
    for name, image in images.items():
        found, edges = np.histogram(image, BINS, (low, high))
        counts[name] = np.maximum(found, 0.5)
    top = max(float(count.max()) for count in counts.values())
    chart = Chart(
        (low, high),
        (0.8, top * 1.5),
        f"Histogram of {', '.join(counts)}",
        x_label=unit,
        y_label="pixels, logarithmic",
        logarithmic=True,
    )
    for nth, found in enumerate(counts.values()):
        chart.steps([float(edge) for edge in edges], [float(n) for n in found], f"s{nth}")
    return Graph("Histogram", chart.svg() + legend([*counts]), f"Of slice {place}.")


def noise_power(
    noise: Mapping[str, Image], guide: Image, *, unit: str, spacing: tuple[float, float], place: int
) -> Graph | None:
    """Noise power spectra of what was removed from a slice; None where no place is flat enough."""
    squares = flat_squares(guide, None)
    curves: dict[str, Spectrum] = {}
    for name, image in noise.items():
        part = flat_power(image, squares, spacing)
        if part is not None and any(part[2:]):
            curves[name] = spectrum([part])
    if not curves:
        return None
    most = max(float(curve.power.max()) for curve in curves.values())
    far = max(float(curve.frequency[-1]) for curve in curves.values())
    chart = Chart(
        (0, far),
        (0, most * 1.08),
        f"Noise power spectrum of what was removed: {', '.join(curves)}",
        x_label="spatial frequency in 1/mm",
        y_label=f"NPS in {unit}\N{SUPERSCRIPT TWO} mm\N{SUPERSCRIPT TWO}",
    )
    for nth, curve in enumerate(curves.values(), 1):
        chart.line(map(float, curve.frequency), map(float, curve.power), f"s{nth}")
        chart.mark(curve.mean_frequency, f"s{nth}")
    means = ", ".join(f"{name} {curve.mean_frequency:.2f}/mm" for name, curve in curves.items())
    return Graph(
        "NPS of what was removed",
        chart.svg() + legend([*curves], 1),
        f"Where slice {place} is flattest; dotted: mean frequency ({means}). White noise is level.",
    )


def lights(limit: Limit, points: Mapping[str, Sequence[Point]]) -> Graph:
    """One safety figure of all series, a dot each, over the zones of its limits."""
    values = [point.value for found in points.values() for point in found]
    low, high = min([limit.green.least, *values]), max([limit.amber.most * 1.25, *values])
    low = min(low, limit.amber.least) - 0.02 * (high - low)
    rows = len(points)
    chart = Chart(
        (low, high),
        (0, rows),
        f"{limit.figure} of {len(values)} series",
        x_label=limit.unit,
        height=46 + 22 * rows,
        left=10,
        top=10,
    )
    places = (low, limit.amber.least, limit.green.least, limit.green.most, limit.amber.most, high)
    kinds = ("red", "amber", "green", "amber", "red")
    for kind, (begin, end) in zip(kinds, pairwise(places), strict=True):
        chart.zone(begin, end, kind)
    for row, found in enumerate(points.values()):
        at = rows - row - 0.5
        chart.dots([(point.value, at, point.says) for point in found], f"s{row + 1}")
    unit = f" in {limit.unit}" if limit.unit else ""
    green, amber = number(limit.green.most), number(limit.amber.most)
    says = f"Green, to {green}: {limit.fine}. Red above {amber}."
    return Graph(f"{limit.figure}{unit}", chart.svg(y_axis=False), says)


def agreement(
    pairs: Mapping[str, Sequence[tuple[float, float, str]]], *, unit: str, of: str, minus: str
) -> Graph | None:
    """Differences over means, with limits of agreement (Bland and Altman, 1986).

    Args:
        pairs: By method: one value, the other, and of what they are.
        unit: Of both.
        of: What is compared.
        minus: The difference in words.
    """
    means = [(one + other) / 2 for found in pairs.values() for one, other, _ in found]
    changes = [other - one for found in pairs.values() for one, other, _ in found]
    if len(changes) < 2:
        return None
    rules: list[float] = []
    in_ = f"in {unit}" if unit else ""
    for found in pairs.values():
        own = [other - one for one, other, _ in found]
        if len(own) > 1:
            rules += [fmean(own) + share * stdev(own) for share in (-1.96, 1.96)]
    chart = Chart(
        span(means),
        span([*changes, *rules, 0.0], margin=0.12),
        f"Bland-Altman plot of {of}",
        x_label=f"mean of both {in_}".strip(),
        y_label=f"{minus} {in_}".strip(),
    )
    chart.level(0, "", "axis")
    for place, found in enumerate(pairs.values(), 1):
        own = [other - one for one, other, _ in found]
        if len(own) > 1:
            middle, room = fmean(own), 1.96 * stdev(own)
            chart.level(middle, f"mean {number(middle)}", f"mean s{place}", left=True)
            chart.level(middle + room, f"+1.96 SD {number(middle + room)}", f"rule s{place}")
            chart.level(
                middle - room,
                f"\N{MINUS SIGN}1.96 SD {number(middle - room)}",
                f"rule s{place}",
                below=True,
            )
        dots = [((a + b) / 2, b - a, f"{says}: {number(b - a)}") for a, b, says in found]
        chart.dots(dots, f"s{place}")
    said = legend([*pairs], 1) if len(pairs) > 1 else ""
    return Graph(
        f"Bland\N{EN DASH}Altman: {of}", chart.svg() + said, f"{minus}, over the mean of both."
    )


def boxes(values: Mapping[str, Sequence[Point]], *, title: str, unit: str) -> Graph:
    """Box plots, a method each: quartiles, whiskers to 1.5 times their distance (Tukey, 1977)."""
    known = {name: [p for p in found if np.isfinite(p.value)] for name, found in values.items()}
    known = {name: found for name, found in known.items() if found}
    row, left = 34.0, 12 + 7.0 * max((len(name) for name in known), default=0)
    chart = Chart(
        span([p.value for found in known.values() for p in found]),
        (0, 1),
        f"Box plots of {title}: {', '.join(known)}",
        x_label=unit,
        height=50 + row * len(known),
        left=min(left, 150),
    )
    for place, (name, found) in enumerate(known.items()):
        y = 12 + row * (place + 0.5)
        numbers = np.array([p.value for p in found])
        first, median, third = (float(q) for q in np.percentile(numbers, (25, 50, 75)))
        reach = 1.5 * (third - first)
        inside = numbers[(numbers >= first - reach) & (numbers <= third + reach)]
        ends = (float(inside.min()), first, median, third, float(inside.max()))
        far = [float(v) for v in numbers if not ends[0] <= v <= ends[4]]
        chart.text(
            chart.left - 8,
            y + 4,
            name if len(name) < 21 else f"{name[:19]}\N{HORIZONTAL ELLIPSIS}",
            end=True,
        )
        if len(numbers) > 1:
            chart.box(y, ends, far, f"s{place}", 16)
        else:
            chart.parts.append(_dot(chart.across(median), y, f"s{place}"))
    boxed = any(len(found) > 1 for found in known.values())
    says = f"{_counted(known)}{'; box: quartiles, line: median' if boxed else ''}."
    return Graph(title, chart.svg(y_axis=False), says)


def curves(rows: Sequence[Mapping[str, float]]) -> tuple[Graph, ...]:
    """Losses and scores of a training, from the rows of its ``log.csv``."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    groups: dict[str, dict[str, str]] = {}
    for score, title in (("psnr", "PSNR in dB"), ("ssim", "SSIM")):
        if own := [name for name in names if name.startswith(f"{score} ")]:
            groups[f"{title}, held-out slices"] = {n: f"sigma {n.split()[1]}" for n in own}
    for name in names:
        if "/" in name and " " not in name:
            both = {name: "training", f"validation {name}": "validation"}
            groups[name] = {n: said for n, said in both.items() if n in names}
    if "lr" in names:
        groups["learning rate"] = {"lr": "learning rate"}
    return tuple(_curve(title, lines, rows) for title, lines in groups.items())


def _curve(title: str, lines: Mapping[str, str], rows: Sequence[Mapping[str, float]]) -> Graph:
    points = {
        said: [(row["step"], row[name]) for row in rows if name in row and "step" in row]
        for name, said in lines.items()
    }
    xs = [x for found in points.values() for x, _ in found]
    ys = [y for found in points.values() for _, y in found if np.isfinite(y)]
    steep = "/" in title and bool(ys) and min(ys) > 0 and max(ys) > 20 * min(ys)
    chart = Chart(
        (0, max(xs, default=1.0)),
        (min(ys) * 0.9, max(ys) * 1.1) if steep else span(ys),
        f"{title} over steps: {', '.join(points)}",
        x_label="step",
        y_label="logarithmic" if steep else "",
        logarithmic=steep,
    )
    for place, found in enumerate(points.values(), 1):
        chart.line([x for x, _ in found], [y for _, y in found], f"s{place}")
    return Graph(title, chart.svg() + legend([*points], 1))


def _dot(x: float, y: float, kind: str) -> str:
    return f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'


def _counted(known: Mapping[str, Sequence[Point]]) -> str:
    counts = {len(found) for found in known.values()}
    fewest = min(counts, default=0)
    return (
        f"{fewest} value{'s'[: fewest != 1]} each" if len(counts) == 1 else "all values there are"
    )
