"""Noisy and clean series of one study that show the same: low dose with full dose."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from medclean.archive.selection import Expression
from medclean.errors import UsageError

# What a low dose is called, by those who name series or folders.
_NOISY = (
    "(low|quarter|half|reduced|sparse|ultra)[-_ ]?(dose|view|count)|"
    "(^|[^a-z])(ld|uld|ldct|qd|noisy)([^a-z]|$)"
)
_BY = {"description": f"SeriesDescription~{_NOISY}", "folder": f"path~(^|/)[^/]*({_NOISY})[^/]*/"}
_ALIKE = 1e-2  # mm by which grids of a pair may differ
_METHOD = ("ConvolutionKernel", "SequenceName", "ScanningSequence", "EchoTime", "InversionTime")

Entry = dict[str, Any]


def noisy_ones(spec: str | None) -> Expression | None:
    """What holds for the noisy one of two series; None where nobody asks.

    Raises:
        UsageError: It is neither a known word nor an expression.
    """
    if spec is None:
        return None
    if spec not in _BY and not set("=~") & set(spec):
        raise UsageError(
            f"--pair-by {spec!r}: expected description, folder, or an expression such as "
            "'SeriesDescription~low dose' or 'path~/low/'"
        )
    return Expression.of(_BY.get(spec, spec))


def paired(entries: Iterable[Entry]) -> list[Entry]:
    """The entries of a data set, those of a pair with the name of the other.

    A noisy image goes with the clean one of the same patient, study, modality and grid; of
    several, with the one that was made by the same method. Where that is not one, it has none.
    """
    known = [dict(entry, pair=None) for entry in entries]
    clean = [entry for entry in known if entry["noisy"] is False]
    for entry in known:
        if entry["noisy"]:
            fits = [other for other in clean if _same_grid(entry, other)]
            if len(fits) > 1:
                fits = [other for other in fits if _method(other) == _method(entry)]
            if len(fits) == 1 and fits[0]["pair"] is None:
                entry["pair"], fits[0]["pair"] = fits[0]["case"], entry["case"]
    return known


def _same_grid(one: Entry, other: Entry) -> bool:
    alike = all(one[name] == other[name] for name in ("patient", "study", "modality", "shape"))
    return alike and bool(np.allclose(one["affine"], other["affine"], atol=_ALIKE))


def _method(entry: Entry) -> Sequence[Any]:
    return [entry["acquisition"].get(name) for name in _METHOD]
