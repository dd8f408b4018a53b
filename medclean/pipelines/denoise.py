"""The story of ``medclean denoise``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medclean.archive.runs import Tally
from medclean.jobs.denoise import DenoiseJob
from medclean.log import Log
from medclean.pipelines._denoising import Denoising
from medclean.pipelines._request import Request
from medclean.pipelines._story import carry_out, told


@dataclass(frozen=True)
class Summary(Tally):
    """How the run ended, and what it did to the images.

    Attributes:
        safety: Of each series that was computed, now or before: ``label``, ``modality``,
            ``status``, and its safety figures with their verdicts, as in the manifest.
    """

    safety: tuple[Mapping[str, Any], ...] = ()


def denoise(job: DenoiseJob, log: Log) -> Summary:
    """Denoise every eligible series of the studies, one after the other.

    Raises:
        MedcleanError: The run could not begin, or go on; a series that fails stops no other.
    """
    run = carry_out(Request.of(job, Denoising.of, log), log)
    return Summary(**vars(run.tally), safety=told(run, "safety"))
