"""Pictures of a case: where its results are wrong, and what their noise is like."""

from pathlib import Path

import numpy as np

from medclean.pipelines._cases import Case
from medclean.pipelines._evaluation import Measured
from medclean.pipelines._measured import Figure
from medclean.quality.metrics.nps_frequency import NpsFrequency
from medclean.report.error_maps import Slice, error_maps
from medclean.report.spectra import spectra
from medclean.report.upright import upright

NPS = "nps-frequency"


def draw(folder: Path, name: str, reference: Case, measured: Measured) -> None:
    """Write ``NAME-errors.png`` of the middle slice, and ``NAME-nps.png`` where there is noise."""
    asked, unit = measured.asked, reference.series.unit
    middle = asked.reference.values.shape[0] // 2
    stacks = {"reference": asked.reference, **asked.results}
    truth, *results = (
        Slice(result, upright(np.array(stack.values[middle]), reference.affine))
        for result, stack in stacks.items()
    )
    error_maps(
        truth,
        results,
        folder / f"{name}-errors.png",
        unit=unit,
        scale=asked.scale,
        modality=asked.modality,
        spacing=asked.spacing,
    )
    for region in ("mask", "body"):
        parts = {r: measured.parts.get(Figure(r, NPS, region)) for r in asked.results}
        curves = {r: NpsFrequency().curve(found) for r, found in parts.items() if found}
        if curves:
            spectra(curves, folder / f"{name}-nps.png", unit=unit, region=region)
            return
