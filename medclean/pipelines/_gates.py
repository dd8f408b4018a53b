"""What an evaluation was asked to tell, and which limits its results have to keep."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite

from medclean.catalog import METRICS
from medclean.errors import UsageError, unknown
from medclean.jobs.evaluate import EvaluateJob
from medclean.options import parse, split
from medclean.pipelines._measured import IMAGE
from medclean.pipelines._scores import Score
from medclean.quality.metrics._base import Metric
from medclean.quality.overlap import FIGURES

FIRST = ("psnr", "ssim", "ms-ssim", "rmse", "nmse", "mae", "gmsd", "bias")  # in tables


@dataclass(frozen=True)
class Limit:
    """What a metric must not be worse than."""

    metric: str
    value: float

    @classmethod
    def several(cls, text: str | None, *, labels: bool) -> list["Limit"]:
        """What ``--fail-under`` says: ``"psnr=30,rmse=20"``.

        Raises:
            UsageError: No such metric, none that is better or worse, or no number.
        """
        found = []
        for pair in split(text or ""):
            name, _, number = pair.partition("=")
            if name not in known_metrics(labels=labels):
                raise unknown("metric", name, known_metrics(labels=labels))
            if better(name) == "same":
                raise UsageError(f"--fail-under {name}: no value of it is better than another")
            try:
                value = float(number)
            except ValueError:
                value = float("nan")
            if not isfinite(value):
                raise UsageError(f"--fail-under {pair!r}: expected METRIC=NUMBER, as in psnr=30")
            found.append(cls(name, value))
        return found

    def crossed(self, score: Score) -> bool:
        """Whether a score is worse, or none."""
        mean, way = score.spread.mean, better(self.metric)
        keeps = {
            "higher": mean >= self.value,
            "lower": mean <= self.value,
            "zero": abs(mean) <= self.value,
        }
        return not keeps[way]


def known_metrics(*, labels: bool) -> list[str]:
    """Names of what can be told of images, or of segmentations."""
    return [*FIGURES] if labels else [*METRICS]


def better(metric: str) -> str:
    """Which values of a metric are better, see ``Metric.better``."""
    if metric in FIGURES:
        return FIGURES[metric][0]
    return str(METRICS.entry(metric).facts["better"])


def asked_metrics(job: EvaluateJob, limits: Sequence[Limit]) -> dict[str, str]:
    """Spec by name of what is to be told: what is asked for, and what has a limit.

    Raises:
        UsageError: No such metric, no such option of it, or nothing to tell it from.
    """
    if job.labels:
        names = split(job.metrics or "") or [*FIGURES]
        for name in names:
            if name not in FIGURES:
                raise unknown("metric of segmentations", name, FIGURES)
        return {name: name for name in (*names, *(limit.metric for limit in limits))}
    # A comma parts metrics, and options of one where a key follows it.
    specs: list[str] = []
    usual = sorted(METRICS, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    for word in split(job.metrics or ",".join(usual)):
        if "=" in word and ":" not in word and specs:
            specs[-1] += f",{word}"
        else:
            specs.append(word)
    found = {parse(spec)[0]: spec for spec in specs}
    found |= {limit.metric: limit.metric for limit in limits if limit.metric not in found}
    for name, spec in found.items():
        metric: Metric = METRICS.make(spec)
        if job.metrics or any(limit.metric == name for limit in limits):
            _refuse_untold(name, metric, job)
    return found


def _refuse_untold(name: str, metric: Metric, job: EvaluateJob) -> None:
    """That what was asked for has nothing to be told from, whatever the images are."""
    if metric.needs_noisy and not job.noisy:
        raise UsageError(f"{name} tells what was removed; say with --noisy from what")
    if not {"image", "body"} & {*metric.regions.split()} and not job.mask:
        raise UsageError(f"{name} is told of regions; say with --mask of which")


def asked_windows(texts: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Ranges by the names of their regions: ``-160..240``.

    Raises:
        UsageError: No range.
    """
    found = {}
    for text in texts:
        low, dots, high = text.partition("..")
        try:
            window = (float(low), float(high))
        except ValueError:
            window = (0.0, 0.0)
        if not (dots and window[0] < window[1] and all(map(isfinite, window))):
            raise UsageError(f"--window {text!r}: expected LOW..HIGH, as in -160..240")
        found[f"{window[0]:g}..{window[1]:g}"] = window
    return found


def crossed(limits: Sequence[Limit], scores: Sequence[Score], noisy: str) -> Iterator[str]:
    """A sentence for each result that is beyond a limit, in the first region that it is told in.

    Each modality and unit counts for itself. What the results were made from, ``noisy``, has no
    limit.
    """
    results = dict.fromkeys(score.result for score in scores if score.result != noisy)
    for limit in limits:
        told = [score for score in scores if score.metric == limit.metric]
        kinds = dict.fromkeys((score.modality, score.unit) for score in told) or {("", ""): None}
        for kind, result in product(kinds, results):
            score = _first([s for s in told if (s.modality, s.unit, s.result) == (*kind, result)])
            where = f"{limit.metric} of {kind[0]}" if len(kinds) > 1 else limit.metric
            if score is None:
                yield f"{result}: {where} could not be told; the limit is {limit.value:g}"
            elif limit.crossed(score):
                yield f"{result}: {where} {score.spread.mean:.4g} is worse than {limit.value:g}"


def _first(scores: Sequence[Score]) -> Score | None:
    """In the whole image, else where it is told first."""
    return min(scores, key=lambda score: score.region != IMAGE, default=None)
