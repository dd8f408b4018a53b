"""What was found, and what of it is for a method: as a run and a dry run begin."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from medclean.archive.series import Scan, Series
from medclean.log import Log
from medclean.pipelines._method import Method, Refusal

NOTHING = (
    "no image is left to do: expected MR, CT or PET images that are not deselected; --include "
    "lets other kinds in"
)


@dataclass(frozen=True)
class Stock:
    """A scan, as a method sees it.

    Attributes:
        found: The scan.
        refusals: Why series are not for this method, by key.
    """

    found: Scan
    refusals: Mapping[str, Refusal]

    @classmethod
    def of(cls, found: Scan, method: Method) -> "Stock":
        """Ask a method about each series, without the files in it that are not for the method."""
        if method.bare:
            found = found.without_bare(method.bare)
        answers = {series.key: method.refusal(series) for series in found.series}
        return cls(found, {key: refusal for key, refusal in answers.items() if refusal})

    @property
    def taken(self) -> list[Series]:
        """The series that are for this method."""
        return [series for series in self.found.series if series.key not in self.refusals]

    @property
    def dealt(self) -> list[str]:
        """What is dealt out among shards: these, and files that failed, which count as series."""
        failed = [left.path for left in self.found.left_out if left.status == "failed"]
        return [*(series.key for series in self.taken), *failed]

    def warn(self, log: Log) -> None:
        """Say what fails, and what is not for this method."""
        for left in self.found.left_out:
            if left.status == "failed":
                log.warn(f"{left.path} failed: it {left.reason}")
        for reason, count in Counter(refusal.why for refusal in self.refusals.values()).items():
            log.warn(f"{count} series skipped: {reason}")
        if not self.found.series and not any(
            left.status == "failed" for left in self.found.left_out
        ):
            log.warn(NOTHING)

    def tell(self, log: Log) -> None:
        """Say that, and how many files are skipped for which reason."""
        self.warn(log)
        skipped = Counter(left.reason for left in self.found.left_out if left.status == "skipped")
        for reason, files in skipped.most_common():
            log.say(f"{files} file{'s'[: files != 1]} skipped: {reason}")
