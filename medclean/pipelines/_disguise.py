"""Nobody may learn whose images they are: ``--deidentify``, as far as names and choices go."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from medclean import __version__
from medclean.archive.dicom.deidentify import Deidentification
from medclean.archive.pseudonyms import Pseudonyms
from medclean.archive.series import Alias, LeftOut, Scan, Series
from medclean.jobs._series import SeriesJob

FACE = "shows a head: a face can be made from it, and the pixels are not changed for that"
_UNSEEN = ("secondary", "other")  # kinds that often show text


@dataclass(frozen=True)
class Disguise:
    """What stands for what could identify, in one run.

    Attributes:
        pseudonyms: Made under the key.
        keep_dates: Dates stay.
        allow_burned_in: Take images that say, or are likely, to show text.
    """

    pseudonyms: Pseudonyms
    keep_dates: bool
    allow_burned_in: bool

    @classmethod
    def of(cls, job: SeriesJob, key: bytes | None) -> "Disguise | None":
        """What a job asks for; None where it does not."""
        if not (job.deidentify and key):
            return None
        return cls(Pseudonyms(key), job.keep_dates, job.allow_burned_in)

    def scan(self, found: Scan) -> Scan:
        """A scan that names nobody, without the series that cannot be de-identified."""
        left_out = [replace(left, path=self._name(left.path)) for left in found.left_out]
        series = []
        for one in found.series:
            hidden, why = self._series(one), self._refusal(one)
            if why:
                left_out += self._left_out(hidden, why)
            else:
                series.append(hidden)
        return replace(found, series=tuple(series), left_out=tuple(left_out))

    def of_images(self, series: Series) -> Deidentification:
        """How the images of a series are de-identified."""
        return Deidentification(
            self.pseudonyms,
            _patient(series),
            __version__,
            keep_dates=self.keep_dates,
            characteristics=series.modality == "PT",
        )

    def _series(self, series: Series) -> Series:
        """With other names: ``<patient>/<study>/<series>/<n>.dcm`` in the output folder."""
        key = self.pseudonyms.name("series", series.key)
        patient = self.pseudonyms.name("patient", _patient(series))
        study = self.pseudonyms.name("study", series.study_uid)
        numbered = enumerate(series.instances, 1)
        return replace(
            series,
            key=key,
            origin=series.key,
            instances=tuple(
                replace(file, alias=Alias(self._name(file.path), f"{place}/{number:05}.dcm"))
                for place in [f"{patient}/{study}/{key}"]
                for number, file in numbered
            ),
            notes=(*series.notes, FACE) if series.subject.face else series.notes,
        )

    def _refusal(self, series: Series) -> str:
        """Why a series cannot be de-identified; ``""`` where it can."""
        if series.format != "dicom":
            return "--deidentify knows DICOM only: what its file and sidecars say is not looked at"
        if len(series.subject.patients) > 1:
            return "its files name several patients, and dates move patient by patient"
        if self.allow_burned_in:
            return ""
        if series.subject.burned_in:
            return "its pixels show identifying text, it says; --allow-burned-in takes it"
        if {*series.kinds} & {*_UNSEEN}:
            return "its pixels may show text, as of its kind many do; --allow-burned-in takes it"
        return ""

    def _left_out(self, series: Series, why: str) -> Iterable[LeftOut]:
        return (LeftOut(file.name, "skipped", why) for file in series.instances)

    def _name(self, path: str) -> str:
        return self.pseudonyms.name("path", path, 32)


def _patient(series: Series) -> str:
    """What tells patients apart; without a Patient ID every study is one."""
    return "".join(series.subject.patients) or series.study_uid
