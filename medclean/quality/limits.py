"""How far a safety figure may go before somebody should look: one table, with its reasons."""

from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:  # a table should load nothing
    from medclean.quality.figures import Figures

Verdict = Literal["green", "amber", "red"]


class Range(NamedTuple):
    """Values that a verdict spans, both ends included."""

    least: float
    most: float


@dataclass(frozen=True)
class Limit:
    """One row of the table.

    Attributes:
        figure: As in ``Figures``.
        unit: ``"HU"`` for CT, ``"%"`` (of scale) for the others; ``""`` for a ratio.
        green: Nothing to look at.
        amber: Look at it; what lies outside of both is red.
        reason: Where the ends come from. "Measured" is: known noise of 5 and 10 % of scale in MR,
            of 25 and 60 HU in CT, taken away from real images by the truth itself, by ``nlm`` and
            ``dgan`` (good), by ``gaussian`` and ``median`` (not so good); see
            tests/benchmarks/safety.py.
        fine: Sentence for green.
        beyond: Sentence for a value above green; ``{way}`` is up or down.
        below: Sentence for a value below green.
    """

    figure: str
    unit: str
    green: Range
    amber: Range
    reason: str
    fine: str
    beyond: str
    below: str = ""


TABLE = (
    Limit(
        "bias",
        "HU",
        Range(0, 2),
        Range(0, 4),
        "IEC 61223-3-5 lets the CT number of water be 4 HU off; half of that leaves room for the "
        "scanner's own. Measured, in the worst frame or region: the truth 0.3, nlm 0.9, a blur "
        "of 2 pixels 5.3 to 24, a ramp of 50 HU to either side 28 to 37.",
        "CT numbers keep their mean",
        "CT numbers are shifted {way} in the mean: do not measure them in this series",
    ),
    Limit(
        "bias",
        "%",
        Range(0, 1.5),
        Range(0, 3),
        "Taking Rician noise away lowers the mean, rightly, and the voxels that noise has made "
        "bright sink. Measured, in the worst frame or region: the truth 1.4, dgan 1, nlm 1 "
        "(2.3 in other slices), a blur of 2 pixels 0.4 to 4.4, a ramp of 5 % to either side 1.7 to "
        "4.9.",
        "bright tissue keeps its mean",
        "bright tissue is shifted {way} in the mean; a few percent may be the bias of Rician "
        "noise, rightly gone, else do not measure in this series",
    ),
    Limit(
        "structure",
        "",
        Range(0, 0.25),
        Range(0, 0.4),
        "Noise knows nothing of the image: 0. Measured: the truth up to 0.15 (Rician noise, which "
        "does know), dgan 0.14, nlm 0.15; a blur of 1 pixel 0.14 to 0.54; a slice overwritten with "
        "another one 0.37 to 0.76.",
        "what was removed looks like noise",
        "what was removed looks like the image: detail may have gone with the noise",
    ),
    Limit(
        "edges",
        "",
        Range(0.93, 1.2),
        Range(0.85, 1.4),
        "A blur of 2 pixels makes an edge as steep as 0.71; noise itself adds 1 or 2 % to the "
        "strongest gradients, and Rician noise flattens edges to the dark. Measured: the truth "
        "0.98 to 1.13, dgan 0.98 to 1.07, nlm 0.95 to 1, a blur of 1 pixel 0.87 to 0.91, "
        "of 2 pixels 0.63 to 0.75.",
        "edges are as steep as before",
        "edges are steeper than before: look for outlines that were drawn, not seen",
        "edges are blurred: small structures lose contrast",
    ),
    Limit(
        "noise",
        "",
        Range(0, 1.02),
        Range(0, 1.05),
        "A denoiser adds no noise; measuring it errs by 1 or 2 %. How much it may take is not said "
        "here: whether detail went along is what the other figures show.",
        "noise is not stronger than before",
        "noise is stronger than before",
    ),
    Limit(
        "spot",
        "",
        Range(0, 7),
        Range(0, 10),
        "The greatest of thousands of places: white noise gives 5 in 150 slices, noise that is 3 "
        "times stronger in the middle 5, noise smoothed by 1 pixel 6.4. Measured: the truth up to "
        "6.9, at the rim of dark tissue in Rician noise, in CT 4.7, nlm 4.4, dgan 6.6. A lesion of "
        "8 pixels that was erased gives 8.8 to 13 for 2 sigma and 12 to 20 for 3: 14 times its "
        "contrast in sigmas, times the share of the Gaussian that it fills, 0.39, a tenth less "
        "for what is around it, and a standard deviation of noise more or less.",
        "no region of a lesion's size changed more than noise explains",
        "a region of a lesion's size changed more than noise explains: look there",
    ),
)
_SEVERITY: tuple[Verdict, ...] = ("green", "amber", "red")


def judged(figures: "Figures", modality: str) -> dict[str, Any]:
    """The figures with their verdicts, as the manifest has them.

    Returns:
        ``verdict`` (the worst), and by figure ``value``, ``pooled``, ``unit``, ``verdict``,
        ``says``; what is not green also has ``at``, the frame to look at first. What could not be
        measured is amber.
    """
    found: dict[str, Any] = {limit.figure: _judged(limit, figures) for limit in rows(modality)}
    for name, figure in found.items():
        if figure["verdict"] != "green" and (place := figures.at.get(name)):
            known = place._asdict().items()
            figure["at"] = {part: number for part, number in known if number is not None}
    verdicts = [figure["verdict"] for figure in found.values()]
    return {"verdict": max(verdicts, key=_SEVERITY.index), **found}


def rows(modality: str) -> tuple[Limit, ...]:
    """The rows of the table that hold for a modality."""
    wrong = "%" if modality == "CT" else "HU"
    return tuple(limit for limit in TABLE if limit.unit != wrong)


def _judged(limit: Limit, figures: "Figures") -> dict[str, Any]:
    value: float | None = getattr(figures, limit.figure)
    pooled = figures.pooled.get(limit.figure)
    told = {"pooled": pooled if pooled is None else abs(pooled), "unit": limit.unit}
    if value is None or isnan(value):
        hidden = "noise or background hides the body" if value is None else "it comes to no number"
        says = f"cannot be measured: {hidden}"
        return {"value": None, **told, "verdict": "amber", "says": says}
    size, way = abs(value), "up" if value > 0 else "down"
    verdict: Verdict = "green" if _spans(limit.green, size) else "red"
    if verdict == "red" and _spans(limit.amber, size):
        verdict = "amber"
    off = limit.beyond if size > limit.green.most else limit.below
    says = limit.fine if verdict == "green" else off.format(way=way)
    return {"value": size, **told, "verdict": verdict, "says": says}


def _spans(span: Range, value: float) -> bool:
    return span.least <= value <= span.most
