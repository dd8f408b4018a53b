"""The story of ``medclean add-noise``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medclean.archive.runs import Tally
from medclean.jobs.add_noise import AddNoiseJob
from medclean.log import Log
from medclean.pipelines._noising import AddingNoise
from medclean.pipelines._request import Request
from medclean.pipelines._story import carry_out, told


@dataclass(frozen=True)
class Summary(Tally):
    """How the run ended, and how strong the noise is.

    Attributes:
        noise: Of each series that was computed, now or before: ``label``, ``modality``,
            ``status``, and its noise as in the manifest.
    """

    noise: tuple[Mapping[str, Any], ...] = ()


def add_noise(job: AddNoiseJob, log: Log) -> Summary:
    """Add noise to every eligible series of the studies, one after the other.

    Raises:
        MedcleanError: The run could not begin, or go on; a series that fails stops no other.
    """
    run = carry_out(Request.of(job, AddingNoise.of, log), log)
    return Summary(**vars(run.tally), noise=told(run, "noise"))
