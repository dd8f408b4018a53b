"""The story of ``medclean undersample``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medclean.archive.runs import Tally
from medclean.jobs.undersample import UndersampleJob
from medclean.log import Log
from medclean.pipelines._request import Request
from medclean.pipelines._story import carry_out, told
from medclean.pipelines._undersampling import Undersampling


@dataclass(frozen=True)
class Summary(Tally):
    """How the run ended, and what was sampled.

    Attributes:
        kspace: Of each series that was computed, now or before: ``label``, ``modality``,
            ``status``, and what was sampled as in the manifest.
    """

    kspace: tuple[Mapping[str, Any], ...] = ()


def undersample(job: UndersampleJob, log: Log) -> Summary:
    """Undersample every eligible series of the studies, one after the other.

    Raises:
        MedcleanError: The run could not begin, or go on; a series that fails stops no other.
    """
    run = carry_out(Request.of(job, Undersampling.of, log), log)
    return Summary(**vars(run.tally), kspace=told(run, "kspace"))
