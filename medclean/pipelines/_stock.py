"""What was found, and what of it is for the model: as a run and a dry run begin."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from medclean.archive.series import Scan, Series
from medclean.errors import Exit
from medclean.inference.denoiser import Denoiser
from medclean.log import Log

NOTHING = (
    "no image is left to do: expected MR, CT or PET images that are not deselected; --include "
    "lets other kinds in"
)


@dataclass(frozen=True)
class Stock:
    """A scan, as a model sees it.

    Attributes:
        found: The scan.
        refusals: Why series are not for this model, by key.
    """

    found: Scan
    refusals: Mapping[str, str]

    @classmethod
    def of(cls, found: Scan, denoiser: Denoiser) -> "Stock":
        """Ask a model about each series."""
        answers = {series.key: denoiser.refusal(series) for series in found.series}
        return cls(found, {key: why for key, why in answers.items() if why})

    @property
    def taken(self) -> list[Series]:
        """The series that are for this model."""
        return [series for series in self.found.series if series.key not in self.refusals]

    @property
    def dealt(self) -> list[str]:
        """What is dealt out among shards: these, and files that failed, which count as series."""
        failed = [left.path for left in self.found.left_out if left.status == "failed"]
        return [*(series.key for series in self.taken), *failed]

    def warn(self, log: Log) -> None:
        """Say what fails, and what is not for this model."""
        for left in self.found.left_out:
            if left.status == "failed":
                log.warn(f"{left.path} failed: it {left.reason}")
        for reason, count in Counter(self.refusals.values()).items():
            log.warn(f"{count} series skipped: {reason}")
        if not self.found.series:
            log.warn(NOTHING)

    def tell(self, log: Log) -> None:
        """Say that, and how many files are skipped for which reason."""
        self.warn(log)
        skipped = Counter(left.reason for left in self.found.left_out if left.status == "skipped")
        for reason, files in skipped.most_common():
            log.say(f"{files} file{'s'[: files != 1]} skipped: {reason}")


def if_nothing_else(series: Series) -> Exit:
    """What a series that is refused means for the exit status, if nothing is done at all."""
    return Exit.NOTHING_TO_DO if series.bare else Exit.MISSING
