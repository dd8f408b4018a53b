"""What the numbers of a PET series mean: Bq/ml, or standardised uptake values by body weight.

After the vendor-neutral algorithm of the QIBA profile for FDG-PET/CT (2016), with the private
elements of GE and Philips.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, isfinite, log
from typing import Any

from pydicom.dataset import Dataset

from medclean.archive.dicom.parse import one_reason
from medclean.errors import DataError

_PHILIPS, _GE = "Philips PET Private Group", "GEMS_PETD_01"
_DAY = timedelta(days=1)
_LEAST = 1e5  # Bq that are ever injected: less than this is MBq


@dataclass(frozen=True)
class Quantity:
    """What one stands for.

    Attributes:
        unit: ``"Bq/ml"`` or ``"g/ml"``, which is SUV.
        factor: That brings the image's values to it.
        suv: SUV of 1 Bq/ml; None where it cannot be known.
        why_not: Why not, naming the element; quotes nothing.
    """

    unit: str
    factor: float = 1.0
    suv: float | None = None
    why_not: str = ""


def quantity(headers: Sequence[Dataset]) -> Quantity:
    """What the values of a series are.

    Args:
        headers: Of all its files.

    Raises:
        DataError: They are neither activity nor uptake, and nothing says how to make them so.
    """
    with one_reason("cannot be parsed"):
        first = headers[0]
        units = str(first.get("Units") or "")
        if units == "GML":
            kind = str(first.get("SUVType") or "BW")
            if kind != "BW":
                raise DataError("its SUV (0054,1006) are by another measure than body weight")
            return Quantity("g/ml", suv=1.0)
        factor = 1.0
        if units == "CNTS":
            by_activity = _private(first, 0x7053, _PHILIPS, 0x09)
            by_suv = _private(first, 0x7053, _PHILIPS, 0x00)
            if by_suv and by_activity:
                return Quantity("Bq/ml", by_activity, by_suv / by_activity)
            if by_suv:
                return Quantity("g/ml", by_suv, 1.0)
            factor = by_activity or 0.0
        if units not in ("BQML", "CNTS") or not factor:
            raise DataError(
                "its Units (0054,1001) are no activity, and no factor of Philips (7053,xx00) or "
                "(7053,xx09) makes them so; expected BQML, GML, or CNTS with a factor"
            )
        try:
            return Quantity("Bq/ml", factor, _suv(headers))
        except DataError as error:
            return Quantity("Bq/ml", factor, None, str(error))


def _suv(headers: Sequence[Dataset]) -> float:
    """SUV of 1 Bq/ml: body weight in g by the dose that is left when the scan begins."""
    first = headers[0]
    corrected = first.get("CorrectedImage") or ()
    if not {"DECY", "ATTN"} <= set([corrected] if isinstance(corrected, str) else corrected):
        raise DataError("it is not corrected for decay and attenuation (0028,0051)")
    weight = _number(first, "PatientWeight", "its Patient's Weight (0010,1030)")
    drugs = first.get("RadiopharmaceuticalInformationSequence") or ()
    if not drugs:
        raise DataError("it has no Radiopharmaceutical Information (0054,0016)")
    dose = _number(drugs[0], "RadionuclideTotalDose", "its Radionuclide Total Dose (0018,1074)")
    if dose < _LEAST:
        raise DataError("its Radionuclide Total Dose (0018,1074) is too small for Bq; MBq?")
    half = _number(drugs[0], "RadionuclideHalfLife", "its Radionuclide Half Life (0018,1075)")
    match str(first.get("DecayCorrection") or ""):
        case "ADMIN":
            decayed = 0.0
        case "START":
            began = _scan(headers, half)
            decayed = (began - _injection(drugs[0], began)).total_seconds()
        case _:
            raise DataError("its Decay Correction (0054,1102) is neither START nor ADMIN")
    if not 0 <= decayed <= 10 * half:
        raise DataError("its times of injection and scan do not fit each other")
    return weight * 1000 / (dose * 2 ** (-decayed / half))


def _scan(headers: Sequence[Dataset], half: float) -> datetime:
    """The time that decay is corrected to.

    Series Date and Time, unless these were set anew after the acquisition, as by post-processing.
    """
    stated = _moment(headers[0], "SeriesDate", "SeriesTime")
    acquired = [_moment(header, "AcquisitionDate", "AcquisitionTime") for header in headers]
    known = [moment for moment in acquired if moment]
    if stated and known and stated <= min(known):
        return stated
    if ge := _ge_moment(headers[0]):
        return ge
    found = [at for pair in zip(headers, acquired, strict=True) if (at := _backwards(*pair, half))]
    if not found:
        raise DataError(
            "its Series Time (0008,0031) is not that of the scan, and neither GE's (0009,xx0D) nor "
            "acquisition and frame times say when it began"
        )
    return min(found)


def _backwards(header: Dataset, acquired: datetime | None, half: float) -> datetime | None:
    """The start of the scan, from when a frame was acquired and its reference time."""
    reference, duration = header.get("FrameReferenceTime"), header.get("ActualFrameDuration")
    if acquired is None or reference is None or not duration:
        return None
    decay = log(2) / half * float(duration) / 1000
    average = half / log(2) * log(decay / (1 - exp(-decay)))  # when the count rate is the mean one
    return acquired + timedelta(seconds=average - float(reference) / 1000)


def _injection(drug: Dataset, scan: datetime) -> datetime:
    if found := _as_moment(str(drug.get("RadiopharmaceuticalStartDateTime") or "")):
        return found
    time = str(drug.get("RadiopharmaceuticalStartTime") or "")
    found = _as_moment(f"{scan:%Y%m%d}{time}") if time else None
    if found is None:
        raise DataError("it has no Radiopharmaceutical Start Time (0018,1072)")
    return found if found <= scan else found - _DAY  # before midnight


def _ge_moment(header: Dataset) -> datetime | None:
    value = _raw(header, 0x0009, _GE, 0x0D)
    return _as_moment(str(value)) if value else None


def _moment(header: Dataset, date: str, time: str) -> datetime | None:
    return _as_moment(f"{header.get(date) or ''}{header.get(time) or ''}")


def _as_moment(text: str) -> datetime | None:
    """A DICOM date with its time, whose zone does not matter to differences."""
    digits, _, fraction = text.replace(":", "").partition(".")
    if not (digits.isdigit() and len(digits) in (10, 12, 14)):
        return None
    micro = "".join(c for c in fraction[:6] if c.isdigit()).ljust(6, "0")
    try:
        return datetime.strptime(digits.ljust(14, "0") + micro, "%Y%m%d%H%M%S%f")
    except ValueError:
        return None


def _number(data: Dataset, keyword: str, what: str) -> float:
    value = data.get(keyword)
    number = float(value) if value not in (None, "") else 0.0
    if not (isfinite(number) and number > 0):
        raise DataError(f"{what} is missing or 0")
    return number


def _private(header: Dataset, group: int, creator: str, number: int) -> float | None:
    value = _raw(header, group, creator, number)
    try:
        found = float(value.decode() if isinstance(value, bytes) else value)
    except (TypeError, ValueError):
        return None
    return found if isfinite(found) and found > 0 else None


def _raw(header: Dataset, group: int, creator: str, number: int) -> Any:
    try:
        value = header.private_block(group, creator)[number].value
    except KeyError:
        return None
    return value.decode("ascii", "replace").strip(" \0") if isinstance(value, bytes) else value
