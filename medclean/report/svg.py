"""Drawings as inline SVG: crisp at any size, in the colours of the page, by day and night.

Lines take their colours from the page's style sheet (classes ``s0``, ``s1``, ...), and differ in
dashes too, so that they can be told apart without colour.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from math import ceil, floor, isfinite, log10

LEFT, RIGHT, TOP, BOTTOM = 52.0, 10.0, 10.0, 34.0  # around the plot
TICKS = 5
MANY = 1000  # dots, from where on names of each would weigh more than they are worth


def ticks(low: float, high: float, most: int = TICKS) -> list[float]:
    """Round numbers from one end to the other."""
    if not (isfinite(low) and isfinite(high)) or high <= low:
        return [low] if isfinite(low) else []
    rough = (high - low) / most
    size = 10.0 ** floor(log10(rough))
    step = next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= rough * (1 - 1e-9))
    first = ceil(low / step - 1e-9)
    last = floor(high / step + 1e-9)
    return [round(n * step, 12) for n in range(first, last + 1)]


def number(value: float) -> str:
    """As people write it: four digits, a true minus."""
    if not isfinite(value):
        return "\N{INFINITY}" if value > 0 else "\N{EN DASH}"
    size = abs(value)
    text = f"{value:.4g}" if size < 1e4 else f"{value:,.0f}" if size < 1e7 else f"{value:.2e}"
    return text.replace("-", "\N{MINUS SIGN}")


@dataclass
class Chart:
    """Two axes, and what is drawn between them.

    Attributes:
        x: Values that the horizontal axis spans.
        y: Likewise.
        label: What is read out to who does not see it.
        x_label: Below the axis.
        y_label: Above it.
        width: In pixels of the drawing.
        height: Likewise.
        logarithmic: Whether the vertical axis is.
        left: Room for what stands beside the vertical axis.
        top: Room for what stands above it.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    label: str
    x_label: str = ""
    y_label: str = ""
    width: float = 420
    height: float = 230
    logarithmic: bool = False
    left: float = LEFT
    top: float = TOP + 16
    parts: list[str] = field(default_factory=list)

    def across(self, value: float) -> float:
        """Where a value lies on the horizontal axis."""
        low, high = self.x
        return self.left + (value - low) / ((high - low) or 1) * (self.width - self.left - RIGHT)

    def up(self, value: float) -> float:
        """Where one lies on the vertical axis."""
        low, high = self.y
        if self.logarithmic:
            low, high, value = log10(low), log10(high), log10(max(value, low))
        share = (value - low) / ((high - low) or 1)
        return self.height - BOTTOM - share * (self.height - self.top - BOTTOM)

    def line(self, xs: Iterable[float], ys: Iterable[float], kind: str) -> None:
        """A line through points; it breaks where one is no number."""
        pen, path = "M", list[str]()
        for x, y in zip(xs, ys, strict=True):
            if not (isfinite(x) and isfinite(y)) or (self.logarithmic and y <= 0):
                pen = "M"
                continue
            path.append(f"{pen}{self.across(x):.1f} {self.up(y):.1f}")
            pen = "L"
        self.parts.append(f'<path class="line {kind}" d="{"".join(path)}"/>')

    def steps(self, edges: Sequence[float], heights: Sequence[float], kind: str) -> None:
        """A histogram's outline."""
        xs = [edge for edge in edges for _ in (0, 1)][1:-1]
        self.line(xs, [height for height in heights for _ in (0, 1)], kind)

    def dots(self, points: Sequence[tuple[float, float, str]], kind: str) -> None:
        """Points, each with what it is; of very many only where they lie."""
        known = [point for point in points if isfinite(point[0]) and isfinite(point[1])]
        if len(known) > MANY:
            at = {f"M{self.across(x):.0f} {self.up(y):.0f}h0" for x, y, _ in known}
            self.parts.append(f'<path class="dots {kind}" d="{"".join(sorted(at))}"/>')
            return
        self.parts += [
            f'<circle class="dot {kind}" cx="{self.across(x):.1f}" cy="{self.up(y):.1f}" r="3">'
            f"<title>{escape(says)}</title></circle>"
            for x, y, says in known
        ]

    def zone(self, low: float, high: float, kind: str) -> None:
        """Ground from one value of the horizontal axis to another."""
        if high > low:
            left, right = self.across(low), self.across(high)
            self.parts.append(
                f'<rect class="zone {kind}" x="{left:.1f}" y="{TOP}" '
                f'width="{right - left:.1f}" height="{self.height - BOTTOM - TOP}"/>'
            )

    def level(
        self, y: float, says: str, kind: str = "rule", *, left: bool = False, below: bool = False
    ) -> None:
        """A horizontal line with a word at one of its ends, above or below it."""
        at, end = self.up(y), self.width - RIGHT
        x, anchor = (self.left + 3, "start") if left else (end, "end")
        self.parts.append(
            f'<path class="{kind}" d="M{self.left} {at:.1f}H{end}"/>'
            f'<text class="small" text-anchor="{anchor}" x="{x}" '
            f'y="{at + (11 if below else -3):.1f}">{escape(says)}</text>'
        )

    def mark(self, x: float, kind: str) -> None:
        """A dotted vertical line."""
        at = self.across(x)
        self.parts.append(
            f'<path class="rule {kind}" d="M{at:.1f} {self.top}V{self.height - BOTTOM}"/>'
        )

    def box(
        self, y: float, summary: Sequence[float], far: Iterable[float], kind: str, tall: float
    ) -> None:
        """A box on its side: least, quartiles with the median, greatest, and what lies beyond."""
        low, first, median, third, high = map(self.across, summary)
        beyond = {f"{self.across(v):.0f}" for v in far}
        self.parts.append(
            f'<g class="box {kind}"><path d="M{low:.1f} {y:.1f}H{first:.1f}M{third:.1f} {y:.1f}'
            f"H{high:.1f}M{low:.1f} {y - tall / 4:.1f}v{tall / 2:.1f}M{high:.1f} "
            f'{y - tall / 4:.1f}v{tall / 2:.1f}"/><rect x="{first:.1f}" y="{y - tall / 2:.1f}" '
            f'width="{max(third - first, 1):.1f}" height="{tall:.1f}" rx="2"/>'
            f'<path class="middle" d="M{median:.1f} {y - tall / 2:.1f}v{tall:.1f}"/>'
            + "".join(f'<circle cx="{at}" cy="{y:.1f}" r="2.5"/>' for at in sorted(beyond))
            + "</g>"
        )

    def text(self, x: float, y: float, words: str, *, end: bool = False) -> None:
        """Words at a place of the drawing."""
        anchor = ' text-anchor="end"' if end else ""
        self.parts.append(f'<text{anchor} x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>')

    def svg(self, *, y_axis: bool = True) -> str:
        """The whole."""
        floor_, right = self.height - BOTTOM, self.width - RIGHT
        frame = [f'<path class="axis" d="M{self.left} {floor_}H{right}"/>']
        for value in ticks(*self.x):
            at = self.across(value)
            frame.append(f'<path class="axis" d="M{at:.1f} {floor_}v4"/>')
            frame.append(
                f'<text text-anchor="middle" x="{at:.1f}" y="{floor_ + 15}">{number(value)}</text>'
            )
        for value in self._levels() if y_axis else ():
            at = self.up(value)
            frame.append(f'<path class="grid" d="M{self.left} {at:.1f}H{right}"/>')
            place = f'x="{self.left - 6}" y="{at + 4:.1f}"'
            frame.append(f'<text text-anchor="end" {place}>{number(value)}</text>')
        words = [
            f'<text text-anchor="middle" x="{(self.left + right) / 2}" y="{self.height - 3}">'
            f"{escape(self.x_label)}</text>",
            f'<text class="small" x="2" y="{TOP + 2}">{escape(self.y_label)}</text>',
        ]
        return (
            f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" '
            f'aria-label="{escape(self.label)}">{"".join((*frame, *self.parts, *words))}</svg>'
        )

    def _levels(self) -> list[float]:
        if not self.logarithmic:
            return ticks(*self.y)
        low, high = (log10(end) for end in self.y)
        whole = [10.0**n for n in range(ceil(low - 1e-9), floor(high + 1e-9) + 1)]
        return whole if len(whole) > 1 else ticks(*self.y)


def span(values: Iterable[float], *, margin: float = 0.05) -> tuple[float, float]:
    """What an axis must show, with some room; 0 to 1 for nothing."""
    known = [value for value in values if isfinite(value)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    room = (high - low) * margin or abs(high) * margin or 1.0
    return low - room, high + room


def legend(names: Sequence[str], first: int = 0) -> str:
    """Which line is whose."""
    items = "".join(
        '<li><svg viewBox="0 0 24 8" aria-hidden="true">'
        f'<path class="line s{n}" d="M1 4H23"/></svg>'
        f"{escape(name)}</li>"
        for n, name in enumerate(names, first)
    )
    return f'<ul class="legend">{items}</ul>'
